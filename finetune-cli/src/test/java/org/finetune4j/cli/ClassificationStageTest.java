package org.finetune4j.cli;

import static org.finetune4j.cli.CommandRun.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ClassifierHead;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code stage: cls}: texts get one label, several, or a number, by a decoder or by BERT. */
@Tag("slow")
class ClassificationStageTest {

    private static final Path WORD_PIECES = Path.of("../finetune-core/src/test/resources/tokenizer/tiny-wordpiece");

    private static final String MARY = "Mary likes to eat bread.";

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void prepare() {
        files = new TrainingFiles(directory);
    }

    private interface Label {
        String of(boolean tom, boolean soup);
    }

    private static List<String> records(int count, long seed, Label label) {
        Random random = new Random(seed);
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            boolean tom = random.nextBoolean();
            boolean soup = random.nextBoolean();
            lines.add("{\"text\": \"%s likes to eat %s.\", \"label\": %s}"
                    .formatted(tom ? "Tom" : "Mary", soup ? "soup" : "bread", label.of(tom, soup)));
        }
        return lines;
    }

    private static void write(Path file, List<String> lines) {
        TrainingFiles.write(file, String.join("\n", lines) + "\n");
    }

    private CommandRun train(Label label, String... more) {
        write(files.data, records(48, 1, label));
        write(directory.resolve("held.jsonl"), records(24, 2, label));
        List<String> keys = new ArrayList<>(List.of(
                "stage=cls",
                "eval_file=" + directory.resolve("held.jsonl"),
                "eval_strategy=steps",
                "eval_steps=15",
                "max_steps=30",
                "learning_rate=5e-3",
                "report_to=html",
                "per_device_train_batch_size=8"));
        keys.addAll(List.of(more));
        return files.train(keys.toArray(String[]::new));
    }

    private JsonNode lastEvaluation() {
        List<JsonNode> evaluations = files.events("evaluation");
        return evaluations.get(evaluations.size() - 1);
    }

    @Test
    void classesGetTheirNamesFromTheRecords() throws IOException {
        CommandRun run = train(
                (tom, soup) -> tom ? "\"his\"" : "\"hers\"",
                "metric_for_best_model=eval_macro_f1",
                "load_best_model_at_end=true");
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(1, lastEvaluation().path("scores").path("accuracy").doubleValue(), 1e-9, run.toString());
        assertEquals(1, lastEvaluation().path("scores").path("macro_f1").doubleValue(), 1e-9);
        JsonNode config = InputFiles.json(files.output.resolve(ClassifierHead.BESIDE_ADAPTER));
        assertEquals("{\"0\":\"hers\",\"1\":\"his\"}", config.path("id2label").toString());
        assertEquals("single_label_classification", config.path("problem_type").asText());
        Path merged = directory.resolve("merged");
        CommandRun merge = files.merge(merged);
        assertEquals(0, merge.exitCode(), merge.toString());
        CommandRun eval = CommandRun.of(
                "eval", "--model", merged.toString(), "--data", files.data.toString(), "--json", "--", "stage=cls");
        assertEquals(0, eval.exitCode(), eval.toString());
        JsonNode measured = Json.parse(eval.out().get(eval.out().size() - 1), "eval");
        assertEquals(1, measured.path("accuracy").doubleValue(), eval.toString());
        JsonNode whole = InputFiles.json(merged.resolve("config.json"));
        assertEquals(
                "LlamaForSequenceClassification",
                whole.path("architectures").path(0).asText());
        assertEquals(config.path("id2label"), whole.path("id2label"));

        List<JsonNode> said =
                classified("--adapter", files.output.toString(), "--text", "Tom likes to eat soup.", "--text", MARY);
        assertEquals(List.of("his"), labels(said.get(0)));
        assertEquals(List.of("hers"), labels(said.get(1)));
        JsonNode scores = said.get(0).path("scores");
        assertEquals(1, scores.path("his").doubleValue() + scores.path("hers").doubleValue(), 1e-6);
        CommandRun plain = CommandRun.of("classify", "--model", merged.toString(), "--text", MARY);
        assertEquals(0, plain.exitCode(), plain.toString());
        assertTrue(plain.out().get(0).matches("hers 0\\.[0-9]{4}|hers 1\\.0000"), plain.toString());
    }

    private List<JsonNode> classified(String... more) {
        List<String> arguments = new ArrayList<>(List.of("classify", "--model", files.model.toString(), "--json"));
        arguments.addAll(List.of(more));
        CommandRun run = CommandRun.of(arguments.toArray(String[]::new));
        assertEquals(0, run.exitCode(), run.toString());
        return run.out().stream().map(line -> Json.parse(line, "classify")).toList();
    }

    private static List<String> labels(JsonNode line) {
        List<String> labels = new ArrayList<>();
        line.path("labels").forEach(label -> labels.add(label.asText()));
        return labels;
    }

    @Test
    void severalLabelsCanHold() throws IOException {
        CommandRun run = train(
                (tom, soup) -> "[" + (tom ? "\"tom\"" + (soup ? ", " : "") : "") + (soup ? "\"soup\"" : "") + "]");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(lastEvaluation().path("scores").path("macro_f1").doubleValue() > 0.9, run.toString());
        JsonNode config = InputFiles.json(files.output.resolve(ClassifierHead.BESIDE_ADAPTER));
        assertEquals("multi_label_classification", config.path("problem_type").asText());
        assertEquals(2, config.path("id2label").size());

        Path unlabelled = directory.resolve("new.jsonl");
        write(unlabelled, List.of("{\"text\": \"Tom likes to eat soup.\"}", "{\"sentence\": \"" + MARY + "\"}"));
        List<JsonNode> said =
                classified("--adapter", files.output.toString(), "--data", unlabelled.toString(), "--max-length", "64");
        assertEquals(List.of("soup", "tom"), labels(said.get(0)));
        assertEquals(List.of(), labels(said.get(1)));
    }

    /** transformers' form: a 0 or 1 for each label. It is not the labels 0 and 1. */
    @Test
    void aVectorSaysOfEachLabelWhetherItHolds() throws IOException {
        String[] three = {"problem_type=multi_label_classification", "labels=[tom, soup, never]"};
        CommandRun run = train((tom, soup) -> "[" + (tom ? 1 : 0) + ", " + (soup ? 1 : 0) + ", 0]", three);
        assertEquals(0, run.exitCode(), run.toString());
        double accuracy = lastEvaluation().path("scores").path("accuracy").doubleValue();
        assertTrue(accuracy > 0.9, run.toString());
    }

    @Test
    void aLabelThatIsNamedTwiceIsNoVectorOfOthers() {
        CommandRun run = train((tom, soup) -> "[0, 0, 1]");
        CommandRun.assertRefused(run, "names the label '0' twice");
    }

    @Test
    void numbersAreLearnedAsNumbers() throws IOException {
        CommandRun run = train((tom, soup) -> String.valueOf((tom ? 1 : -1) + (soup ? 0.5 : 0)));
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(lastEvaluation().path("scores").path("pearson_correlation").doubleValue() > 0.9, run.toString());
        assertEquals(
                "regression",
                InputFiles.json(files.output.resolve(ClassifierHead.BESIDE_ADAPTER))
                        .path("problem_type")
                        .asText());
        List<JsonNode> said = classified("--adapter", files.output.toString(), "--text", MARY);
        assertTrue(said.get(0).path("scores").path("LABEL_0").doubleValue() < 0, said.toString());
    }

    @Test
    void whatIsNoClassifierOrNothingToClassifyIsRefused() {
        String model = files.model.toString();
        assertRefused(CommandRun.of("classify", "--model", model, "--text", MARY), "is no classifier");
        assertRefused(CommandRun.of("classify", "--model", model), "there is nothing to classify");
        assertRefused(
                CommandRun.of("classify", "--model", model, "--text", MARY, "--truncation", "drop"),
                "leaves texts out");
        TrainingFiles.write(files.data, "{\"txt\": \"Tom\"}\n");
        assertRefused(
                CommandRun.of("classify", "--model", model, "--data", files.data.toString()), "data.jsonl:1", "'text'");
    }

    /** BERT reads both texts, each with its own type. */
    @Test
    void bertTellsTwoTextsApart() throws IOException {
        bert();
        List<String> lines = new ArrayList<>();
        Random random = new Random(4);
        for (int i = 0; i < 64; i++) {
            boolean same = random.nextBoolean();
            lines.add("{\"text\": \"%s\", \"text_pair\": \"%s\", \"label\": %d}"
                    .formatted("the dog", same ? "the dog" : "a fox runs", same ? 1 : 0));
        }
        write(files.data, lines);
        TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
        TrainingFiles.edit(
                files.config, "model_name_or_path: " + files.model, "model_name_or_path: " + directory.resolve("bert"));
        CommandRun run = files.train(
                "stage=cls",
                "method=full",
                "eval_fraction=0.25",
                "eval_strategy=steps",
                "eval_steps=20",
                "max_steps=40",
                "learning_rate=3e-3",
                "report_to=html",
                "per_device_train_batch_size=8");
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(1, lastEvaluation().path("scores").path("accuracy").doubleValue(), 1e-9, run.toString());
        try (CausalLM model = CausalLM.load(files.output);
                TensorScope scope = TensorScope.open()) {
            assertEquals("BertForSequenceClassification", model.config().architecture());
            assertEquals(2, model.logits(ModelInputs.of(1, 2, 3)).numel());
        }
        CommandRun said = CommandRun.of(
                "classify", "--model", files.output.toString(), "--data", files.data.toString(), "--json");
        assertEquals(0, said.exitCode(), said.toString());
        assertEquals(64, said.out().size());
        for (int i = 0; i < lines.size(); i++) {
            JsonNode asked = Json.parse(lines.get(i), "record");
            JsonNode answer = Json.parse(said.out().get(i), "classify");
            assertEquals(asked.path("text_pair"), answer.path("text_pair"));
            assertEquals(List.of("LABEL_" + asked.path("label").asInt()), labels(answer));
        }
    }

    private void bert() throws IOException {
        Path words = Files.createDirectories(directory.resolve("words"));
        Files.copy(WORD_PIECES.resolve("tokenizer.json"), words.resolve("tokenizer.json"));
        Files.writeString(words.resolve("tokenizer_config.json"), "{\"pad_token\": \"[PAD]\"}");
        Tokenizer tokenizer = Tokenizer.load(words);
        ModelConfig config = ModelConfig.parse("""
                {"architectures": ["BertForSequenceClassification"], "vocab_size": %d, "hidden_size": 32,
                 "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_labels": 2,
                 "initializer_range": 0.1, "max_position_embeddings": 64, "hidden_dropout_prob": 0.0,
                 "attention_probs_dropout_prob": 0.0}
                """.formatted(tokenizer.rows()), "a small BERT");
        try (CausalLM model = CausalLM.initialize(config, tokenizer, Device.CPU, 3)) {
            model.save(directory.resolve("bert"));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "labels=[his, her]                          | no label 'hers'; there are his, her; did you mean 'her'?",
                "num_labels=1                               | is no number",
                "problem_type=single_lable_classification   | expected single_label_classification",
                "problem_type=regression                    | is no number",
                "metric_for_best_model=eval_f1              | does not measure",
                "packing=true                               | 'packing' belongs to stage sft"
            })
    void aWrongSettingIsToldWithTheRightOne(String key, String problem) {
        assertRefused(train((tom, soup) -> tom ? "\"his\"" : "\"hers\"", key), problem);
    }

    @Test
    void recordsWithoutALabelAreNamed() {
        TrainingFiles.write(files.data, TrainingFiles.record("Who?", "Tom.") + "\n");
        assertRefused(files.train("stage=cls"), "data.jsonl:1", "stage cls learns from texts with a label");
    }
}
