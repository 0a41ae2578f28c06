package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.finetune4j.data.examples.InstructionDataset;
import org.finetune4j.data.supervised.StringTemplate;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model is asked in the form that it was trained in, which lies beside what a training writes. */
@Tag("slow")
class TrainedFormTest {

    private static final String QUESTION = "Where does Tom live?";
    private static final String ANSWER = "In Oslo.";

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void prepare() {
        files = new TrainingFiles(directory);
        TrainingFiles.write(files.data, TrainingFiles.record(QUESTION, ANSWER));
    }

    private void train(String... settings) {
        String[] all = new String[settings.length + 3];
        all[0] = "max_steps=25";
        all[1] = "learning_rate=1e-2";
        all[2] = "target_modules=all-linear";
        System.arraycopy(settings, 0, all, 3, settings.length);
        CommandRun run = files.train(all);
        assertEquals(0, run.exitCode(), run.toString());
    }

    private static List<String> ask(Path model, String... more) {
        String[] all = new String[more.length + 7];
        System.arraycopy(
                new String[] {"generate", "--model", model.toString(), "--max-new-tokens", "12", "--prompt", QUESTION},
                0,
                all,
                0,
                7);
        System.arraycopy(more, 0, all, 7, more.length);
        CommandRun run = CommandRun.of(all);
        assertEquals(0, run.exitCode(), run.toString());
        return run.out().stream().map(String::strip).toList();
    }

    @Test
    void anAdapterItsCheckpointAndTheMergedModelAnswerABareQuestion() {
        train();
        Path checkpoint = files.output.resolve("checkpoint-25");
        Path merged = directory.resolve("merged");
        CommandRun merging = files.merge(merged);
        assertEquals(0, merging.exitCode(), merging.toString());
        assertEquals(List.of(ANSWER), ask(files.model, "--chat", "--adapter", files.output.toString()));
        assertEquals(List.of(ANSWER), ask(files.model, "--chat", "--adapter", checkpoint.toString()));
        assertEquals(List.of(ANSWER), ask(merged, "--chat"));
        assertTrue(Files.exists(files.output.resolve("tokenizer_config.json")));
        assertEquals(ChatTemplate.source(files.output), ChatTemplate.source(merged));
    }

    @Test
    void aFullModelThatLearnedAlpacaSaysSo() {
        TrainingFiles.write(files.config, """
                model_name_or_path: %s
                train_file: %s
                output_dir: %s
                method: full
                max_length: 128
                report_to: none
                """.formatted(files.model, files.data, files.output));
        CommandRun run = files.train("max_steps=25", "learning_rate=3e-3");
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(List.of(ANSWER), ask(files.output, "--chat"));
    }

    @Test
    void aTemplateOfConversationsIsKeptAndCanBeNamed() throws IOException {
        Files.writeString(
                files.data,
                "{\"messages\": [{\"role\": \"user\", \"content\": \"%s\"}, {\"role\": \"assistant\", \"content\": \"%s\"}]}"
                        .formatted(QUESTION, ANSWER));
        train("chat_template=vicuna", "max_length=256");
        String adapter = files.output.toString();
        assertEquals(List.of(ANSWER), ask(files.model, "--chat", "--adapter", adapter));
        Files.delete(files.output.resolve("chat_template.jinja"));
        assertEquals(List.of(ANSWER), ask(files.model, "--chat-template", "vicuna", "--adapter", adapter));
    }

    @Test
    void evaluationPutsQuestionsAsTheTrainingDid() {
        train();
        String[] command = {
            "eval",
            "--model",
            files.model.toString(),
            "--adapter",
            files.output.toString(),
            "--data",
            files.data.toString()
        };
        CommandRun asTrained = CommandRun.of(command);
        assertEquals(0, asTrained.exitCode(), asTrained.toString());
        String[] named = Arrays.copyOf(command, command.length + 2);
        named[command.length] = "--prompt-template";
        named[command.length + 1] = "Q: {instruction}\nA:\n";
        assertEquals(CommandRun.of(named).out(), asTrained.out());
        named[command.length + 1] = "alpaca";
        assertFalse(CommandRun.of(named).out().equals(asTrained.out()));
    }

    @Test
    void aGeneratorInJavaAsksInTheFormOfTheTrainingAsLongAsItsResultIsOpen() {
        try (CausalLM model = CausalLM.load(files.model)) {
            SupervisedOptions form = SupervisedOptions.builder()
                    .maxLength(64)
                    .promptTemplate(StringTemplate.of("{instruction} ->"))
                    .build();
            try (TrainingResult result = FineTuner.of(model)
                    .strategy(Lora.builder().rank(8).targetModules("all-linear").build())
                    .dataset(InstructionDataset.jsonl(files.data))
                    .tokenization(form)
                    .arguments(TrainingArguments.builder()
                            .maxSteps(25)
                            .learningRate(1e-2)
                            .build())
                    .train()) {
                assertEquals(ANSWER, TextGenerator.of(model).ask(QUESTION).strip());
                result.saveAdapter(directory.resolve("adapter"));
                assertTrue(Files.exists(directory.resolve("adapter/chat_template.jinja")));
            }
            assertEquals(Optional.empty(), model.chatTemplate());
        }
    }

    @Test
    void withoutATemplateChatSaysWhatToDo() {
        CommandRun run = CommandRun.of("generate", "--model", files.model.toString(), "--prompt", QUESTION, "--chat");
        assertEquals(2, run.exitCode());
        assertTrue(run.errors().get(0).contains("has no chat template"), run.toString());
        CommandRun unknown = CommandRun.of(
                "generate", "--model", files.model.toString(), "--prompt", QUESTION, "--chat-template", "vicunia");
        assertEquals(2, unknown.exitCode());
        assertTrue(unknown.errors().get(0).endsWith("did you mean 'vicuna'?"), unknown.toString());
    }
}
