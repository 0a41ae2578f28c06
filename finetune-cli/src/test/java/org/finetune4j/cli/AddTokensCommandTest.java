package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.finetune4j.model.CausalLM;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("slow")
class AddTokensCommandTest {

    @TempDir
    Path directory;

    @Test
    void anAdapterLearnsToAnswerWithATokenThatTheBaseGotForIt() {
        TrainingFiles files = new TrainingFiles(directory);
        Path larger = directory.resolve("larger");
        CommandRun added = CommandRun.of(
                "add-tokens", "--model", files.model.toString(), "--output", larger.toString(), "--token", "<oslo>");
        assertEquals(0, added.exitCode(), added.toString());
        TrainingFiles.write(files.data, TrainingFiles.record("Where does Tom live?", "In <oslo>."));
        CommandRun train = files.train(
                "model_name_or_path=" + larger,
                "max_steps=40",
                "learning_rate=5e-3",
                "target_modules=all-linear",
                "modules_to_save=[embed_tokens, lm_head]");
        assertEquals(0, train.exitCode(), train.toString());
        CommandRun run = files.generate(larger, "Q: Where does Tom live?\nA:\n", "--max-new-tokens", "6");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(run.out().get(0).contains("In <oslo>."), run.toString());
        CommandRun small = files.generate(files.model, "Q: Where does Tom live?\nA:\n", "--max-new-tokens", "6");
        assertEquals(run.out(), small.out(), "the adapter brings its tokenizer and its rows: " + small);
    }

    @Test
    void aFullModelGrowsInTrainingAndIsSavedLarger() {
        TrainingFiles files = new TrainingFiles(directory);
        TrainingFiles.edit(files.config, "method: lora\nr: 4\ntarget_modules: [q_proj, v_proj]\n", "method: full\n");
        CommandRun train = files.train("add_special_tokens=[<|user|>]", "add_tokens=[<oslo>]");
        assertEquals(0, train.exitCode(), train.toString());
        try (CausalLM base = CausalLM.load(files.model);
                CausalLM grown = CausalLM.load(files.output)) {
            assertEquals(
                    base.config().positive("vocab_size") + 2, grown.config().positive("vocab_size"));
            assertEquals(1, grown.tokenizer().encode("<oslo>", false).length);
            assertEquals("", grown.tokenizer().decode(grown.tokenizer().encode("<|user|>", false), true));
        }
        CommandRun resumed = files.train(
                "add_special_tokens=[<|user|>]", "add_tokens=[<oslo>]", "max_steps=6", "resume_from_checkpoint=true");
        assertEquals(0, resumed.exitCode(), resumed.toString());
    }

    @Test
    void adaptersAreToldToWriteTheLargerBaseFirst() {
        TrainingFiles files = new TrainingFiles(directory);
        CommandRun train = files.train("add_tokens=[<oslo>]");
        assertEquals(2, train.exitCode());
        assertTrue(train.errors().get(0).contains("./finetune add-tokens"), train.toString());
        CommandRun nothing = CommandRun.of(
                "add-tokens", "--model", files.model.toString(), "--output", directory.toString() + "/none");
        assertEquals(2, nothing.exitCode());
        assertTrue(nothing.errors().get(0).contains("nothing to add"), nothing.toString());
    }
}
