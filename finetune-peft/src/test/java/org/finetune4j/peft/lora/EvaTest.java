package org.finetune4j.peft.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.peft.TargetedContract;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.DeltaKind;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.LinearAlgebra.Svd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A start from the data: A spans what the inputs vary in most, and ranks go where a direction explains most. */
@Tag("slow")
class EvaTest {

    private static final Path GOLDEN = Path.of("src/test/resources/goldens/peft-init/eva.safetensors");
    private static final int VOCABULARY = 199;
    private static final int RANK = 4;
    private static final ModelInputs PROMPT = ModelInputs.of(5, 9, 17, 33, 4, 8);

    @TempDir
    Path directory;

    private static CausalLM llama() {
        return CausalLM.load(PeftParityTest.BASES.resolve("llama"));
    }

    private static Lora.Builder eva(double rho) {
        return Lora.builder()
                .rank(RANK)
                .alpha(8)
                .targetModules("all-linear")
                .initialization(LoraInitialization.EVA)
                .eva(EvaConfig.defaults().withRho(rho));
    }

    private static List<Batch> batches(int samples, int batchSize) {
        SyntheticSamples data = new SyntheticSamples(samples, VOCABULARY, 3);
        List<Batch> batches = new ArrayList<>();
        for (int first = 0; first < samples; first += batchSize) {
            List<Sample> rows = IntStream.range(first, first + batchSize)
                    .mapToObj(data::get)
                    .toList();
            batches.add(new Collator(0, 1).collate(rows));
        }
        return batches;
    }

    @Test
    void theFirstRowsSpanTheTopRightSingularVectorsOfTheCentredInputs() {
        Batch batch = batches(8, 8).get(0);
        try (TensorScope scope = TensorScope.open();
                CausalLM model = llama()) {
            Map<String, Tensor> inputs = labelledInputs(model, batch);
            try (LoraAdapter adapter = eva(1).build().attach(model, List.of(batch))) {
                adapter.layers().forEach(layer -> {
                    Tensor a = layer.loraA().value().detach(); // [rank, in]
                    Tensor x = inputs.get(layer.path());
                    Tensor centred = x.sub(x.mean(0, true));
                    Tensor top = LinearAlgebra.svd(centred).vh().narrow(0, 0, RANK);
                    // The overlap of both subspaces is a rotation: all of its singular values are 1.
                    Svd overlap = LinearAlgebra.svd(a.matmul(top.t()));
                    assertEquals(1, overlap.s().toDoubleArray()[RANK - 1], 1e-4, layer.path());
                    assertEquals(RANK, a.matmul(a.t()).square().sum().item(), 1e-3);
                });
            }
        }
    }

    /** What the layers are given at the tokens with labels. */
    private static Map<String, Tensor> labelledInputs(CausalLM model, Batch batch) {
        Map<String, Tensor> inputs = new HashMap<>();
        long[] labelled = IntStream.range(0, batch.labels().length)
                .filter(i -> batch.labels()[i] != Sample.IGNORE_INDEX)
                .mapToLong(i -> i)
                .toArray();
        Tensor places = Tensors.of(labelled, labelled.length);
        model.network().namedModules().forEach((path, module) -> {
            if (module instanceof Linear linear) {
                linear.extend(new LinearExtension() {
                    @Override
                    public Tensor forward(Linear base, Tensor x, @Nullable SequenceContext context) {
                        Tensor rows = x.detach().reshape(-1, x.size(x.dim() - 1));
                        inputs.put(path, rows.indexSelect(0, places).unscoped());
                        return base.project(x, context);
                    }

                    @Override
                    public Collection<Parameter> parameters() {
                        return List.of();
                    }
                });
            }
        });
        model.logits(batch.modelInputs());
        model.network().namedModules().values().forEach(module -> {
            if (module instanceof Linear linear) {
                linear.removeExtension();
            }
        });
        return inputs;
    }

    /** The recorded directions are those of PEFT 0.21 with its exact decomposition in the place of its randomised one. */
    @ParameterizedTest
    @CsvSource({"rho1, 1", "rho2, 2"})
    void startsWherePeftStarts(String name, double rho) {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile golden = SafetensorsFile.open(GOLDEN);
                CausalLM model = llama()) {
            Batch batch = batch(golden);
            // PEFT goes over its data again until nothing moves: here it saw the batch twice.
            try (LoraAdapter adapter = eva(rho).build().attach(model, List.of(batch, batch))) {
                adapter.layers().forEach(layer -> {
                    Tensor a = layer.loraA().value().detach();
                    Tensor expected = golden.tensor(name + "." + layer.path());
                    assertArrayEquals(expected.shape(), a.shape(), layer.path());
                    // The sign of a direction is free.
                    double[] cosines = a.mul(expected).sum(1, false).abs().toDoubleArray();
                    assertTrue(
                            Arrays.stream(cosines).allMatch(cosine -> cosine > 0.999),
                            () -> layer.path() + " " + Arrays.toString(cosines));
                });
            }
        }
    }

    private static Batch batch(SafetensorsFile golden) {
        Tensor ids = golden.tensor("input_ids");
        return new Batch(
                (int) ids.size(0),
                (int) ids.size(1),
                integers(ids),
                golden.tensor("attention_mask").to(DType.UINT8).toByteArray(),
                integers(golden.tensor("labels")));
    }

    private static int[] integers(Tensor tensor) {
        return Arrays.stream(tensor.toLongArray()).mapToInt(Math::toIntExact).toArray();
    }

    @Test
    void whitenedDirectionsAreShorterWhereInputsVaryMore() {
        EvaConfig white = new EvaConfig(1, 0.99, true, true, true);
        List<Batch> batch = batches(8, 8);
        try (TensorScope scope = TensorScope.open();
                CausalLM model = llama();
                LoraAdapter adapter = eva(1).eva(white).build().attach(model, batch)) {
            adapter.layers().forEach(layer -> {
                double[] lengths =
                        layer.loraA().value().detach().square().sum(1, false).toDoubleArray();
                for (int i = 1; i < RANK; i++) {
                    assertTrue(lengths[i] >= lengths[i - 1], layer.path());
                }
            });
        }
    }

    @Test
    void componentsOfManyBatchesAreThoseOfAllRowsTogether() {
        Torch.seed(7);
        try (TensorScope scope = TensorScope.open();
                InputComponents components = new InputComponents(6)) {
            // Rows in a space of 5 dimensions: 6 directions leave nothing out, so that the result is exact.
            Tensor x = Tensors.randn(DType.FLOAT32, Device.CPU, 40, 5)
                    .matmul(Tensors.randn(DType.FLOAT32, Device.CPU, 5, 12))
                    .add(3);
            for (int first = 0; first < 40; first += 8) {
                components.add(x.narrow(0, first, 8));
            }
            Tensor centred = x.sub(x.mean(0, true));
            Svd exact = LinearAlgebra.svd(centred);
            double total = exact.s().square().sum().item();
            double[] shares = components.explainedVariance();
            double[] wanted = exact.s().toDoubleArray();
            for (int i = 0; i < 5; i++) {
                assertEquals(wanted[i] * wanted[i] / total, shares[i], 1e-4);
            }
            Tensor overlap = components
                    .directions(5, false)
                    .matmul(exact.vh().narrow(0, 0, 5).t());
            assertEquals(1, LinearAlgebra.svd(overlap).s().toDoubleArray()[4], 1e-3);
        }
    }

    @Test
    void ranksAreGivenToTheLayersWhereADirectionExplainsMore() {
        try (CausalLM model = llama();
                LoraAdapter adapter = eva(2).build().attach(model, batches(48, 8))) {
            int layers = (int) model.linearLayerNames().stream()
                    .filter(path -> !path.equals("lm_head"))
                    .count();
            List<Long> ranks = adapter.layers().stream()
                    .map(layer -> layer.loraA().value().size(0))
                    .toList();
            assertEquals(
                    (long) layers * RANK,
                    ranks.stream().mapToLong(Long::longValue).sum());
            assertTrue(ranks.stream().allMatch(rank -> rank <= 2 * RANK), ranks::toString);
            assertTrue(ranks.stream().distinct().count() > 1, ranks::toString);
            // The scale stays what it was, since alpha goes with the rank.
            assertTrue(adapter.layers().stream().allMatch(layer -> layer.scale() == 2));
        }
    }

    @Test
    void aTrainedAdapterWithOtherRanksIsReadWithoutAnyData() {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = llama()) {
            float[] trained;
            try (TrainingResult result = FineTuner.of(model)
                    .strategy(eva(2).build())
                    .dataset(new SyntheticSamples(24, VOCABULARY, 3))
                    .arguments(TrainingArguments.builder()
                            .batchSize(8)
                            .maxSteps(3)
                            .learningRate(1e-2)
                            .build())
                    .train()) {
                trained = model.logits(PROMPT).toFloatArray();
                result.save(directory);
            }
            try (Adapter loaded = AdapterFormat.load(model, directory, false)) {
                assertArrayEquals(trained, model.logits(PROMPT).toFloatArray());
            }
        }
    }

    @Test
    void whatCannotBeIsRefused() {
        try (CausalLM model = llama()) {
            Lora lora = eva(1).build();
            assertTold("training data", () -> lora.attach(model));
            assertTold("fewer labelled tokens", () -> eva(10).rank(40).build().attach(model, batches(1, 1)));
            assertTold(
                    "is an embedding",
                    () -> eva(1).targetModules("embed_tokens").build().attach(model, batches(8, 8)));
            float[] before = model.logits(PROMPT).toFloatArray();
            assertArrayEquals(before, model.logits(PROMPT).toFloatArray());
        }
        Settings misspelt = new Settings("config.yaml", Map.of("eva_config", Map.of("roh", 2)));
        assertTold("did you mean 'rho'", () -> EvaConfig.from(misspelt, false));
        assertTold("rho is 0.5", () -> EvaConfig.defaults().withRho(0.5));
    }

    private static void assertTold(String expected, Executable action) {
        String message = assertThrows(UserErrorException.class, action).getMessage();
        assertTrue(message.contains(expected), message);
    }

    /** The promises of every adapter, with all ranks as they are. */
    @Nested
    class KeepsThePromises extends TargetedContract {

        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }

        @Override
        protected FineTuningStrategy strategy(ModuleSelection modules) {
            return new FromData(eva(1).modules(modules).build());
        }

        @Override
        protected FineTuningStrategy strategy() {
            return strategy(ModuleSelection.of(new TargetModules.AllLinear()));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return matrices(allLinear(model), RANK);
        }
    }

    /** Attaches with data wherever somebody attaches. */
    private record FromData(Lora lora) implements FineTuningStrategy {
        @Override
        public String method() {
            return lora.method();
        }

        @Override
        public DeltaKind deltaKind() {
            return lora.deltaKind();
        }

        @Override
        public AttachedStrategy attach(CausalLM model) {
            return lora.attach(model, batches(16, 8));
        }

        @Override
        public Map<String, Object> settings() {
            return lora.settings();
        }
    }
}
