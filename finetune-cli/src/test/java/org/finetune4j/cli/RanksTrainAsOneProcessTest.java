package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.InputFiles;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.Device;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Configurations that ranks once trained otherwise than one process, or never finished. */
class RanksTrainAsOneProcessTest {

    private static final double TOLERANCE = 1e-5;

    @TempDir
    private Path directory;

    private TrainingFiles files;

    @BeforeEach
    void writeFiles() {
        files = new TrainingFiles(directory);
        TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
    }

    private List<JsonNode> steps(Path output, List<String> command, String... settings) {
        List<String> all = new ArrayList<>(command);
        all.addAll(List.of(files.config.toString(), "output_dir=" + output, "report_to=html"));
        all.addAll(List.of(settings));
        CommandRun run = CommandRun.of(all.toArray(String[]::new));
        assertEquals(0, run.exitCode(), run.toString());
        return TrainingFiles.metrics(output).stream()
                .filter(line -> line.has("grad_norm"))
                .toList();
    }

    private void requireSame(int ranks, String mesh, String... settings) throws IOException {
        List<JsonNode> expected = steps(directory.resolve("alone"), List.of("train"), settings);
        List<String> launch = List.of("launch", "--nproc", "" + ranks, "--local", "--mesh", mesh, "train");
        List<JsonNode> found = steps(directory.resolve("ranks"), launch, settings);
        assertFalse(expected.isEmpty(), "steps that were logged");
        assertEquals(expected.size(), found.size());
        for (int i = 0; i < expected.size(); i++) {
            for (String key : List.of("loss", "grad_norm")) {
                double value = expected.get(i).get(key).asDouble();
                assertEquals(
                        value, found.get(i).get(key).asDouble(), TOLERANCE * Math.abs(value), key + " of step " + i);
            }
        }
    }

    /** The last row is shorter: where oneDNN multiplies rows of one length, MKL multiplies that one. */
    @ParameterizedTest
    @ValueSource(strings = {"pp=2", "dp=2"})
    void packedRowsOfWhichTheLastIsShorter(String mesh) throws IOException {
        Path text = directory.resolve("text.txt");
        TrainingFiles.write(text, "Tom has a dog and lives in Oslo. They eat soup. ".repeat(7));
        requireSame(
                2,
                mesh,
                "train_file=" + text,
                "r=1",
                "target_modules=all-linear",
                "gradient_accumulation_steps=3",
                "max_steps=3",
                "max_length=32",
                "zero_stage=" + (mesh.startsWith("dp") ? 3 : 0));
    }

    /** Heads and inner features of BERT's relatives are divided as those of decoders. */
    @ParameterizedTest
    @CsvSource({
        "roberta-seqcls, 2, tp=2",
        "distilbert-seqcls, 2, pp=2",
        "electra-seqcls, 4, 'dp=2,tp=2'",
        "modernbert-mean, 2, tp=2",
        "modernbert-mean, 2, dp=2"
    })
    void anEncoderThatClassifies(String encoder, int ranks, String mesh) throws IOException {
        Path words = Path.of("../finetune-core/src/test/resources/tokenizer/tiny-wordpiece");
        Path model = Files.createDirectories(directory.resolve("encoder"));
        Path golden = Path.of("../finetune-core/src/test/resources/goldens/variants", encoder);
        ObjectNode config = InputFiles.jsonObject(golden.resolve("config.json"));
        try (CausalLM drawn = CausalLM.initialize(
                ModelConfig.parse(config.put("vocab_size", 500).toString(), encoder), null, Device.CPU, 3)) {
            drawn.save(model);
        }
        Files.copy(words.resolve("tokenizer.json"), model.resolve("tokenizer.json"));
        TrainingFiles.write(files.data, """
                {"text": "the dog runs", "label": "a"}
                {"text": "a fox", "label": "b"}
                {"text": "the fox runs", "label": "c"}
                """);
        requireSame(
                ranks,
                mesh,
                "stage=cls",
                "max_length=16",
                "model_name_or_path=" + model,
                "method=full",
                "optim=sgd",
                "learning_rate=0.1",
                "gradient_accumulation_steps=2",
                "per_device_train_batch_size=2",
                "max_steps=3");
    }

    /** What the model says before it trains is asked for by all ranks together, and written once. */
    @ParameterizedTest
    @ValueSource(ints = {0, 3})
    void aReferenceThatIsKeptInAFile(int stage) throws IOException {
        pairs();
        requireSame(3, "dp=3", "stage=dpo", "method=full", "zero_stage=" + stage, "max_steps=2");
    }

    @Test
    void aReferenceThatStagesOfAPipelineAreAskedFor() throws IOException {
        pairs();
        String[] settings = {"stage=dpo", "method=full", "max_steps=2", "gradient_accumulation_steps=2"};
        requireSame(4, "dp=2,pp=2", settings);
    }

    /** What was learned is told apart from what was taken from the base, whichever stage has it; spaces are those of one process. */
    @Test
    void anAdapterThatTookFromItsBaseByAnOptimizerThatDraws() throws IOException {
        requireSame(2, "pp=2", "init_lora_weights=pissa", "optim=apollo_adamw", "r=2", "max_steps=3");
        byte[] alone = Files.readAllBytes(directory.resolve("alone/adapter_model.safetensors"));
        assertArrayEquals(alone, Files.readAllBytes(directory.resolve("ranks/adapter_model.safetensors")));
    }

    /** The first rank's answers are not all: what is logged, and what decides about a collapse, is over those of all ranks. */
    @Test
    void whatAPolicysLossesSaw() throws IOException {
        TrainingFiles.write(
                files.data, "{\"prompt\": \"Where does Tom live?\"}\n{\"prompt\": \"What does Tom eat, and why?\"}\n");
        String[] settings = {
            "stage=grpo",
            "reward_funcs=[{type: length, max: 9}]",
            "num_generations=2",
            "max_completion_length=5",
            "gradient_accumulation_steps=3",
            "max_steps=2"
        };
        requireSame(2, "dp=2", settings);
        assertEquals(2, entropies("alone").size(), "steps that tell an entropy");
        assertEquals(entropies("alone"), entropies("ranks"));
    }

    private List<String> entropies(String output) {
        return TrainingFiles.metrics(directory.resolve(output)).stream()
                .map(line -> line.path("metrics").path("entropy"))
                .filter(JsonNode::isNumber)
                .map(entropy -> "%.4f".formatted(entropy.asDouble()))
                .toList();
    }

    /** What a method drew and keeps as it is lies in slices, too, which the first rank asks for when it writes. */
    @Test
    void matricesThatStayAsTheyWereDrawn() throws IOException {
        requireSame(2, "tp=2", "r=2", "lora_fa=true", "target_modules=all-linear", "max_steps=2");
    }

    /** So do those of a value function's own adapter, whose file is whole. */
    @Test
    void aValueFunctionWhoseAdapterLiesInSlices() throws IOException {
        TrainingFiles.write(
                files.data, "{\"prompt\": \"Where does Tom live?\"}\n{\"prompt\": \"What does Tom eat, and why?\"}\n");
        String[] settings = {
            "stage=ppo",
            "value_adapter=true",
            "reward_funcs=[{type: length, max: 9}]",
            "max_completion_length=4",
            "r=2",
            "lora_fa=true",
            "optim=sgd", // follows gradients as far as they go: no rounding becomes a step
            "target_modules=all-linear",
            "max_steps=2"
        };
        steps(directory.resolve("alone"), List.of("train"), settings);
        List<String> launch = List.of("launch", "--nproc", "2", "--local", "--mesh", "tp=2", "train");
        steps(directory.resolve("ranks"), launch, settings);
        RanksComparison.Difference difference =
                RanksComparison.compare(directory.resolve("alone"), directory.resolve("ranks"), TOLERANCE);
        // Advantages are divided by their deviation: the loss is a difference of numbers that are larger.
        assertTrue(difference.largest() <= 10 * TOLERANCE, difference.toString());
    }

    /** Where a rank of the data axis alone updates a matrix, it alone has the slice's state that a checkpoint keeps whole. */
    @Test
    void slicesThatOneRankUpdatesGoOnFromACheckpoint() throws IOException {
        String[] settings = {
            "r=2",
            "lora_fa=true",
            "target_modules=all-linear",
            "optim=sgd",
            "momentum=0.9",
            "save_strategy=steps",
            "save_steps=2"
        };
        String[] half = more(settings, "max_steps=2", "zero_stage=1");
        String[] whole = more(settings, "max_steps=4", "zero_stage=1", "resume_from_checkpoint=true");
        List<String> launch = List.of("launch", "--nproc", "4", "--local", "--mesh", "dp=2,tp=2", "train");
        for (List<String> command : List.of(List.of("train"), launch)) {
            Path output = directory.resolve(command.get(0));
            steps(output, command, half);
            steps(output, command, whole);
        }
        RanksComparison.Difference difference =
                RanksComparison.compare(directory.resolve("train"), directory.resolve("launch"), TOLERANCE);
        assertTrue(difference.largest() <= TOLERANCE, difference.toString());
    }

    private static String[] more(String[] settings, String... others) {
        return Stream.concat(Stream.of(settings), Stream.of(others)).toArray(String[]::new);
    }

    /** Packed rows are dealt out by sequences: every rank drops of its own what one process drops of them. */
    @Test
    void elementsThatAreDroppedOfPackedRows() throws IOException {
        requireSame(
                3,
                "dp=3",
                "r=2",
                "lora_dropout=0.3",
                "target_modules=[q_proj, v_proj, lm_head]",
                "packing=true",
                "max_length=64",
                "per_device_train_batch_size=1",
                "max_steps=3");
    }

    /** Rows of a table that another stage has are given back without being asked for. */
    @Test
    void tokensThatTrainBesideLoraOverStages() throws IOException {
        requireSame(2, "pp=2", "r=2", "trainable_token_indices=[5,40]", "gradient_accumulation_steps=2", "max_steps=2");
    }

    /** Which directions are kept is decided by the gradients of all layers, and what is exported are those of all. */
    @ParameterizedTest
    @CsvSource({"2, pp=2, 0", "4, 'dp=2,pp=2', 1"})
    void directionsThatCompeteOverStages(int ranks, String mesh, int stage) throws IOException {
        String[] settings = {
            "method=adalora",
            "init_r=3",
            "target_r=1",
            "tinit=1",
            "tfinal=1",
            "deltaT=1",
            "zero_stage=" + stage,
            "gradient_accumulation_steps=4",
            "max_steps=6"
        };
        requireSame(ranks, mesh, settings);
        RanksComparison.Difference difference =
                RanksComparison.compare(directory.resolve("alone"), directory.resolve("ranks"), TOLERANCE);
        assertTrue(difference.largest() <= TOLERANCE, difference.toString());
    }

    /** Methods whose change of a weight is not a slice's own: each rank makes the whole change, or its part, and uses its slice. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "method=hira r=3 hira_dropout=0.2 init_weights=false",
                "method=randlora r=5 randlora_dropout=0.2",
                "method=gralora r=4 alpha=8 gralora_k=2 hybrid_r=2",
                "method=miss r=5",
                "method=miss r=4 init_weights=mini mini_r=2",
            })
    void methodsThatChangeSlices(String method) throws IOException {
        String[] settings = more(
                method.split(" "),
                "target_modules=all-linear",
                "optim=sgd",
                "learning_rate=0.1",
                "per_device_train_batch_size=2",
                "max_steps=2");
        requireSame(2, "tp=2", settings);
        RanksComparison.Difference difference =
                RanksComparison.compare(directory.resolve("alone"), directory.resolve("ranks"), TOLERANCE);
        assertTrue(difference.largest() <= TOLERANCE, difference.toString());
    }

    /** What another stage holds in a few bits is unpacked there, and comes as it is calculated with, whatever type it had before. */
    @ParameterizedTest
    @ValueSource(strings = {"load_in_4bit=true", "load_in_8bit=true"})
    void packedWeightsOfOtherStagesWhereSamplesAreMeasured(String packed) throws IOException {
        String[] settings = {
            packed, "dtype=bfloat16", "r=2", "eval_file=" + files.data, "eval_steps=1", "optim=sgd", "max_steps=2"
        };
        requireSame(2, "pp=2", settings);
        RanksComparison.Difference difference =
                RanksComparison.compare(directory.resolve("alone"), directory.resolve("ranks"), TOLERANCE);
        assertTrue(difference.largest() <= TOLERANCE, difference.toString());
    }

    @Test
    void gradientsThatAreShapedOverStages() throws IOException {
        requireSame(2, "pp=2", "r=2", "lora_fa=true", "gradient_accumulation_steps=2", "max_steps=3");
    }

    /** The head that trains beside virtual tokens is the last stage's, and the first one writes it. */
    @Test
    void aHeadBesideVirtualTokensOverStages() throws IOException {
        pairs();
        String[] settings = {
            "stage=rm", "method=p_tuning", "num_virtual_tokens=3", "gradient_accumulation_steps=2", "max_steps=2"
        };
        requireSame(2, "pp=2", settings);
    }

    /** Every rank makes files of its own in the directory, and takes away what nobody uses any more. */
    @Test
    void activationsInFiles() throws IOException {
        requireSame(4, "dp=4", "gradient_checkpointing=true", "activation_offloading=true", "max_steps=2");
    }

    private void pairs() {
        TrainingFiles.write(files.data, """
                {"prompt": "Where does Tom live?", "chosen": " In Oslo.", "rejected": " In a tree."}
                {"prompt": "What is the pet of Tom?", "chosen": " A dog.", "rejected": " A cat."}
                {"prompt": "What does Tom eat?", "chosen": " They eat soup.", "rejected": " A shoe."}
                """);
    }
}
