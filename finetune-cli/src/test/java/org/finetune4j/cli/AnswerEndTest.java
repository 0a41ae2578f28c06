package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.InputFiles;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatTemplate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A base model whose texts end with one token learns conversations whose answers end with another. */
@Tag("slow")
class AnswerEndTest {

    @TempDir
    Path directory;

    private TrainingFiles files;
    private Path base;
    private int end;

    @BeforeEach
    void aBaseWithATemplateOfOtherEnds() throws IOException {
        files = new TrainingFiles(directory);
        base = directory.resolve("base");
        CommandRun added = CommandRun.of(
                "add-tokens",
                "--model",
                files.model.toString(),
                "--output",
                base.toString(),
                "--special-token",
                "<|im_start|>",
                "--special-token",
                "<|im_end|>");
        assertEquals(0, added.exitCode(), added.toString());
        ChatTemplate.named("chatml", base).save(base);
        Files.writeString(base.resolve("generation_config.json"), "{\"eos_token_id\": 0, \"max_new_tokens\": 9}");
        TrainingFiles.write(files.data, """
                {"messages": [{"role": "user", "content": "Where is Tom?"}, {"role": "assistant", "content": "In Oslo."}]}
                """);
        try (CausalLM model = CausalLM.load(base)) {
            end = model.tokenizer().id("<|im_end|>").orElseThrow();
            assertEquals(end, model.answerEndTokenId().orElseThrow());
        }
    }

    @Test
    void aFullModelEndsItsTextsWhereItsAnswersEnd() {
        TrainingFiles.edit(files.config, "method: lora\nr: 4\ntarget_modules: [q_proj, v_proj]\n", "method: full\n");
        CommandRun train = files.train("model_name_or_path=" + base, "max_steps=1");
        assertEquals(0, train.exitCode(), train.toString());
        assertEnds(files.output);
    }

    @Test
    void anAdapterSaysHowItsAnswersEndAndItsMergedModelDoes() {
        CommandRun train = files.train("model_name_or_path=" + base, "max_steps=1");
        assertEquals(0, train.exitCode(), train.toString());
        assertTrue(ChatTemplate.source(files.output).isPresent());
        Path merged = directory.resolve("merged");
        CommandRun merge = CommandRun.of(
                "merge",
                "--model",
                base.toString(),
                "--adapter",
                files.output.toString(),
                "--output",
                merged.toString());
        assertEquals(0, merge.exitCode(), merge.toString());
        assertEnds(merged);
    }

    private void assertEnds(Path model) {
        assertEquals(
                "[" + end + ",0]",
                InputFiles.jsonObject(model.resolve("generation_config.json"))
                        .path("eos_token_id")
                        .toString());
        assertEquals(
                end,
                InputFiles.jsonObject(model.resolve("config.json"))
                        .path("eos_token_id")
                        .asInt());
    }
}
