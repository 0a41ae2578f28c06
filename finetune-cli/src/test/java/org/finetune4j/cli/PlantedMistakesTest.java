package org.finetune4j.cli;

import static org.finetune4j.cli.CommandRun.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.Device;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The mistakes that spoil fine-tuning unseen, each planted into a configuration or its data: the training refuses to start,
 * or warns, in one line that says what to do. The table in docs/training.md names these tests and those of other modules.
 */
@Tag("slow")
class PlantedMistakesTest {

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void prepare() {
        files = new TrainingFiles(directory);
    }

    private static void assertWarned(CommandRun run, String... expected) {
        assertEquals(0, run.exitCode(), run.toString());
        List<String> warnings =
                run.err().stream().filter(line -> line.startsWith("warning: ")).toList();
        assertTrue(
                warnings.stream().anyMatch(line -> List.of(expected).stream().allMatch(line::contains)),
                () -> warnings + " should contain " + List.of(expected));
    }

    private String chatTemplate(String text) {
        Path file = directory.resolve("chat.jinja");
        TrainingFiles.write(file, text);
        return "chat_template=" + file;
    }

    private static String messages(String... rolesAndContents) {
        StringBuilder line = new StringBuilder("{\"messages\": [");
        for (int i = 0; i < rolesAndContents.length; i += 2) {
            line.append(i == 0 ? "" : ", ")
                    .append("{\"role\": \"%s\", \"content\": \"%s\"}"
                            .formatted(rolesAndContents[i], rolesAndContents[i + 1]));
        }
        return line + "]}\n";
    }

    @Test
    void aRoleThatIsMisspeltWouldGiveWrongLabels() {
        TrainingFiles.write(files.data, messages("user", "Hi", "asistant", "Hello."));
        assertRefused(
                files.train(chatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}")),
                files.data + ":1: ",
                "'role' is asistant",
                "'assistant'");
    }

    @Test
    void aTemplateThatWritesTheBeginningOfTheSequenceTwice() {
        assertRefused(
                files.train("prompt_template=\"<|endoftext|><|endoftext|>Q: {instruction} A:\\n\""),
                files.data + ":1: ",
                "beginning-of-sequence token twice; take it out of the template");
    }

    @Test
    void answersThatAreAllCutOffNeverTeachToStop() {
        TrainingFiles.write(
                files.data,
                TrainingFiles.record("Who?", "They eat soup and ".repeat(30))
                        + "\n"
                        + TrainingFiles.record("Why?", "They live in Oslo and ".repeat(30)));
        assertWarned(
                files.train("max_length=32", "max_steps=1"),
                "only 0 of 2 samples end with a labelled end-of-sequence token",
                "raise max_length");
    }

    @Test
    void answersThatRunIntoTheirPrompts() {
        String glued = "{\"prompt\": \"Tom lives in\", \"completion\": \"Oslo.\"}\n";
        TrainingFiles.write(files.data, glued + glued);
        assertWarned(files.train("max_steps=1"), files.data + ":1, \"in|Oslo.", "begin answers with a space");
        TrainingFiles.write(files.data, glued.replace("Oslo", " Oslo"));
        CommandRun apart = files.train("max_steps=1", "output_dir=" + directory.resolve("apart"));
        assertFalse(apart.err().stream().anyMatch(line -> line.contains("begin answers")), apart.toString());
    }

    @Test
    void aResumeOverOtherRecordsIsNone() {
        assertEquals(0, files.train("max_steps=2", "save_steps=1").exitCode());
        TrainingFiles.edit(files.data, "In Oslo.", "In Rome.");
        assertRefused(files.train("max_steps=4", "resume_from_checkpoint=true"), "checkpoint-2", "made by another run");
    }

    @Test
    void aTemplateThatWritesAnAnswerTwice() {
        TrainingFiles.write(files.data, messages("user", "one", "assistant", "1", "user", "two", "assistant", "2"));
        String repeating = "{% for m in messages %}<{{ m.role }}>{{ m.content }} {{ m.content }}</s>{% endfor %}"
                + "{{ messages|length }}";
        assertRefused(
                files.train(chatTemplate(repeating)),
                files.data + ":1: ",
                "does not appear in the text as one piece",
                "{% generation %}");
    }

    @Test
    void aConversationWhoseAnswersAreAllSetNotToTrain() {
        TrainingFiles.write(
                files.data,
                "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"},"
                        + " {\"role\": \"assistant\", \"content\": \"Hello.\", \"train\": false}]}\n");
        assertRefused(
                files.train(chatTemplate("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
                        + "{% if add_generation_prompt %}<assistant>{% endif %}")),
                files.data + ":1: ",
                "no token to learn; give it an answer, or look at train_on");
    }

    @Test
    void besideABadSampleAGoodOneIsShown() {
        TrainingFiles.write(
                files.data,
                TrainingFiles.record("long ".repeat(80), "b") + "\n"
                        + TrainingFiles.record("Where does Tom live?", "In Oslo.") + "\n");
        CommandRun run = files.run("validate");
        assertEquals(2, run.exitCode(), run.toString());
        assertTrue(run.errors().get(0).contains(files.data + ":1: no labelled token is left"), run.toString());
        assertTrue(run.out().stream().anyMatch(line -> line.startsWith("sample") && line.contains(files.data + ":2")));
        assertTrue(run.out().contains("\u27E6In Oslo.<|endoftext|>\u27E7"), run.toString());
    }

    @Test
    void aTokenizerOfAnotherModel() throws IOException {
        Path other = directory.resolve("other");
        ModelConfig small = ModelConfig.parse(
                Files.readString(files.model.resolve("config.json"))
                        .replace("\"vocab_size\" : 1024", "\"vocab_size\" : 512"),
                "a model of fewer tokens");
        try (CausalLM model = CausalLM.initialize(small, null, Device.CPU, 1)) {
            model.save(other);
        }
        Files.copy(files.model.resolve("tokenizer.json"), other.resolve("tokenizer.json"));
        Files.copy(files.model.resolve("tokenizer_config.json"), other.resolve("tokenizer_config.json"));
        assertRefused(
                files.train("model_name_or_path=" + other),
                "the tokenizer has 1024 tokens, the model's embedding has 512 rows",
                "do not belong together");
    }

    @Test
    void aLearningRateABatchAndEpochsOutOfRange() {
        CommandRun run = files.train("learning_rate=0.3", "num_train_epochs=50", "max_steps=-1");
        assertWarned(run, "learning_rate is 0.3", "1e-04 to 5e-04 is usual");
        assertWarned(run, "num_train_epochs is 50", "1 to 3 is usual", "early_stopping_patience");
        assertWarned(files.train("max_steps=1", "output_dir=" + directory.resolve("b")), "a step takes 2", "32 to 128");
    }

    @Test
    void ofAllThisAnInnocentTrainingHearsNothing() {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            lines.append(TrainingFiles.record("Where does Tom live?", "In Oslo."))
                    .append('\n');
        }
        TrainingFiles.write(files.data, lines.toString());
        CommandRun run = files.train("per_device_train_batch_size=32", "max_steps=1", "learning_rate=2e-4");
        assertEquals(0, run.exitCode(), run.toString());
        assertFalse(run.err().stream().anyMatch(line -> line.startsWith("warning: ")), run.toString());
    }
}
