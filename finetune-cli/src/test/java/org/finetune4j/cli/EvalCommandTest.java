package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.TestJson;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("slow")
class EvalCommandTest {

    @TempDir
    Path directory;

    @Test
    void whatATrainedAdapterLearnedIsMeasured() throws IOException {
        TrainingFiles files = new TrainingFiles(directory);
        assertEquals(
                0,
                files.train("max_steps=60", "learning_rate=5e-3", "target_modules=all-linear")
                        .exitCode());
        JsonNode before = eval(files, files.data, false, "--metrics", "loss,perplexity,exact_match,rouge,bleu");
        JsonNode after = eval(files, files.data, true, "--metrics", "loss,perplexity,exact_match,rouge,bleu");
        assertEquals(1, after.path("exact_match").asDouble(), after::toString);
        assertEquals(1, after.path("rougeL").asDouble(), 1e-9);
        assertTrue(after.path("loss").asDouble() < before.path("loss").asDouble() / 4);
        assertEquals(
                Math.exp(after.path("loss").asDouble()),
                after.path("perplexity").asDouble(),
                1e-9);
        assertEquals(3, after.path("samples").asInt());

        Path questions = directory.resolve("questions.jsonl");
        TrainingFiles.write(
                questions,
                "{\"prompt\": \"Q: Where does Tom live?\\nA:\\n\", \"choices\": [\"In Rome.\", \"In Oslo.\"], \"answer\": \"B\"}\n");
        JsonNode choices = eval(files, questions, true, "--multiple-choice");
        assertEquals(1, choices.path("accuracy").asDouble());
        assertEquals(1, choices.path("questions").asInt());
    }

    @Test
    void everyFormatThatTrainingReadsIsMeasured() throws IOException {
        TrainingFiles files = new TrainingFiles(directory);
        Path chat = directory.resolve("chat.jinja");
        TrainingFiles.write(
                chat,
                "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
                        + "{% if add_generation_prompt %}assistant: {% endif %}");
        Path messages = directory.resolve("messages.jsonl");
        TrainingFiles.write(
                messages,
                "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Yes.\"}]}");
        JsonNode conversation =
                eval(files, messages, false, "--metrics", "loss,exact_match", "--", "chat_template=" + chat);
        assertEquals(1, conversation.path("samples").asInt());
        assertTrue(conversation.path("exact_match").isNumber());

        Path texts = directory.resolve("texts.csv");
        TrainingFiles.write(texts, "question,reply\nWhere is Tom?,In Oslo.\n");
        JsonNode completion = eval(files, texts, false, "--", "columns={prompt: question, completion: reply}");
        assertTrue(completion.path("labelled_tokens").asInt() > 1, completion::toString);

        Path story = directory.resolve("story.txt");
        TrainingFiles.write(story, "Tom lives in Oslo. He has a dog.");
        JsonNode plain = eval(files, story, false);
        assertEquals(1, plain.path("samples").asInt());
        CommandRun asked = CommandRun.of(
                "eval", "--model", files.model.toString(), "--data", story.toString(), "--metrics", "exact_match");
        assertEquals(2, asked.exitCode());
        assertTrue(asked.errors().get(0).contains("need prompts"), asked::toString);
    }

    @Test
    void classesAreChosenByLikelihood() throws IOException {
        TrainingFiles files = new TrainingFiles(directory);
        Path classes = directory.resolve("classes.tsv");
        TrainingFiles.write(classes, "sentence\tlabel\nfine\tgood\nawful\tbad\nnice\tgood\n");
        JsonNode result = eval(
                files,
                classes,
                false,
                "--multiple-choice",
                "--",
                "templates=[{inputs: \"{sentence} is\", targets: \" {label}\"}]");
        assertEquals(3, result.path("questions").asInt());
        CommandRun without = CommandRun.of(
                "eval", "--model", files.model.toString(), "--data", classes.toString(), "--multiple-choice");
        assertEquals(2, without.exitCode());
        assertTrue(without.errors().get(0).contains(":2: the record is a text with a class"), without::toString);
    }

    @Test
    void tasksThatATrainingHoldsOutAreMeasuredOneByOne() throws IOException {
        TrainingFiles files = new TrainingFiles(directory);
        TrainingFiles.write(
                files.data,
                String.join(
                        "\n",
                        "{\"task\": \"add\", \"prompt\": \"1 1\", \"completion\": \"2\"}",
                        "{\"task\": \"pets\", \"prompt\": \"Tom\", \"completion\": \"A dog.\"}",
                        "{\"task\": \"food\", \"prompt\": \"Tom\", \"completion\": \"Soup.\"}",
                        "{\"task\": \"food\", \"prompt\": \"Mia\", \"completion\": \"Rice.\"}"));
        CommandRun run = CommandRun.of(
                "eval",
                "--model",
                files.model.toString(),
                "--config",
                files.config.toString(),
                "--by-task",
                "--json",
                "--",
                "eval_tasks=[food, pets]");
        assertEquals(0, run.exitCode(), run.toString());
        JsonNode result = TestJson.parse(run.out().get(0));
        assertEquals(3, result.path("samples").asInt());
        JsonNode tasks = result.path("tasks");
        assertEquals(2, tasks.size(), tasks::toString);
        double food = tasks.path("food").path("loss").asDouble();
        double pets = tasks.path("pets").path("loss").asDouble();
        int foodTokens = tasks.path("food").path("labelled_tokens").asInt();
        int petTokens = tasks.path("pets").path("labelled_tokens").asInt();
        assertEquals(
                result.path("loss").asDouble(),
                (food * foodTokens + pets * petTokens) / (foodTokens + petTokens),
                1e-5);
        CommandRun nothing =
                CommandRun.of("eval", "--model", files.model.toString(), "--config", files.config.toString());
        assertEquals(2, nothing.exitCode());
        assertTrue(nothing.errors().get(0).contains("eval_fraction"), nothing::toString);
    }

    /** An adapter is measured on the base that it was trained on, in 4 bits where that was. */
    @Test
    void anAdapterIsMeasuredOnTheBaseOfItsTraining() throws IOException {
        TrainingFiles files = new TrainingFiles(directory);
        String[] keys = {
            "method=qlora", "eval_file=" + files.data, "eval_strategy=steps", "eval_steps=4", "report_to=html"
        };
        CommandRun run = files.train(keys);
        assertEquals(0, run.exitCode(), run.toString());
        List<JsonNode> evaluations = files.events("evaluation");
        double last = evaluations.get(evaluations.size() - 1).path("loss").asDouble();
        assertEquals(last, lossByConfiguration(files, keys), 1e-6);
        assertNotEquals(
                last, lossByConfiguration(files, "eval_file=" + files.data), 1e-4, "on the base as it is stored");
    }

    private static double lossByConfiguration(TrainingFiles files, String... keys) {
        List<String> arguments = new ArrayList<>(List.of(
                "eval",
                "--model",
                files.model.toString(),
                "--adapter",
                files.output.toString(),
                "--config",
                files.config.toString(),
                "--json",
                "--"));
        arguments.addAll(List.of(keys));
        CommandRun eval = CommandRun.of(arguments.toArray(String[]::new));
        assertEquals(0, eval.exitCode(), eval.toString());
        return TestJson.parse(eval.out().get(0)).path("loss").asDouble();
    }

    @Test
    void keysThatNoTrainingKnowsAreRefusedBesideAConfigurationToo() {
        TrainingFiles files = new TrainingFiles(directory);
        CommandRun run = CommandRun.of(
                "eval",
                "--model",
                files.model.toString(),
                "--config",
                files.config.toString(),
                "--",
                "eval_fraction=0.5",
                "eval_fractoin=0.5");
        CommandRun.assertRefused(run, "did you mean 'eval_fraction'");
    }

    @Test
    void anUnknownMetricIsToldWithTheNearestOne() {
        TrainingFiles files = new TrainingFiles(directory);
        CommandRun run = CommandRun.of(
                "eval", "--model", files.model.toString(), "--data", files.data.toString(), "--metrics", "rougel");
        assertEquals(2, run.exitCode());
        assertTrue(run.errors().get(0).contains("rougeL"), run::toString);
    }

    private static JsonNode eval(TrainingFiles files, Path data, boolean adapter, String... more) throws IOException {
        List<String> args = new ArrayList<>(List.of(
                "eval",
                "--model",
                files.model.toString(),
                "--data",
                data.toString(),
                "--prompt-template",
                "Q: {instruction}\nA:\n",
                "--max-new-tokens",
                "12",
                "--json"));
        if (adapter) {
            args.addAll(List.of("--adapter", files.output.toString()));
        }
        args.addAll(List.of(more));
        CommandRun run = CommandRun.of(args.toArray(String[]::new));
        assertEquals(0, run.exitCode(), run.toString());
        return TestJson.parse(run.out().get(0));
    }
}
