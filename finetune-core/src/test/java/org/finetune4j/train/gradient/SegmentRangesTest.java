package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.GoldenModels;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.Segment.Gradients;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.NativeMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.SyntheticSamples;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Ranges of segments that run at different times, with several batches on their way, give what the whole model gives. */
class SegmentRangesTest {

    @TempDir
    Path directory;

    static List<Arguments> everyCutAndCheckpoint() {
        List<Arguments> cases = new ArrayList<>();
        for (String name : List.of("llama", "gpt2", "mixtral", "opt", TinyModels.DEEP)) {
            for (int everyLayers : new int[] {0, 1, 2}) {
                cases.add(Arguments.of(name, everyLayers, new int[] {2}));
                cases.add(Arguments.of(name, everyLayers, new int[] {1, 3}));
            }
        }
        return cases;
    }

    private static List<Batch> batches(int count) {
        SyntheticSamples samples = new SyntheticSamples(2 * count, 150, 4);
        return IntStream.range(0, count)
                .mapToObj(i -> new Collator(0, 1).collate(List.of(samples.get(2 * i), samples.get(2 * i + 1))))
                .toList();
    }

    @ParameterizedTest(name = "{0}, checkpointed {1}, cut at {2}")
    @MethodSource("everyCutAndCheckpoint")
    void gradientsAreThoseOfTheWholeModelToTheLastBit(String name, int everyLayers, int[] cuts) throws IOException {
        List<Batch> batches = batches(3);
        try (CausalLM model = load(name);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Backpropagation backpropagation = new Backpropagation(model, new GradientCheckpointing(everyLayers));
            double scale =
                    1.0 / batches.stream().mapToInt(Batch::labelledTokens).sum();
            double expectedLoss = 0;
            for (Batch batch : batches) {
                expectedLoss +=
                        backpropagation.run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, scale));
            }
            Map<String, float[]> expected = takeGradients(model);
            Pipeline pipeline = new Pipeline(backpropagation, model, cuts);
            assertEquals(expectedLoss, pipeline.run(batches));
            // Head and embedding add to a weight that they share in another order.
            NamedGradients.assertSame(
                    expected, takeGradients(model), model.network().isTied() ? 1e-6f : 0);
            List<String> order = cuts.length == 1
                    ? List.of("F00", "F10", "F01", "B10", "B00", "F11", "F02", "B11", "B01", "F12", "B12", "B02")
                    : pipeline.done();
            assertEquals(order, pipeline.done());
        }
    }

    /** A mixture of experts with its loss on the balance of routers. */
    private CausalLM load(String name) throws IOException {
        if (!name.equals("mixtral")) {
            return TinyModels.load(name, LoadOptions.defaults());
        }
        Path source = GoldenModels.directory(name);
        String config = Files.readString(source.resolve("config.json"))
                .replace("\"output_router_logits\": false", "\"output_router_logits\": true");
        Files.writeString(directory.resolve("config.json"), config);
        Files.copy(source.resolve("model.safetensors"), directory.resolve("model.safetensors"));
        return CausalLM.load(directory);
    }

    private static Map<String, float[]> takeGradients(CausalLM model) {
        Map<String, float[]> gradients = NamedGradients.of(model.network().namedParameters());
        model.network().allParameters().forEach(Parameter::clearGrad);
        return gradients;
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "gpt2"})
    void aCheckpointedStageDropsAgainWhatItDroppedWhateverRanInBetween(String name) {
        List<Batch> batches = batches(3);
        try (CausalLM model = TinyModels.loadWithDropout(name);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Map<String, float[]> expected = withDropout(model, batches, GradientCheckpointing.none());
            NamedGradients.assertSame(expected, withDropout(model, batches, GradientCheckpointing.every(1)), 1e-6f);
            new Pipeline(new Backpropagation(model, GradientCheckpointing.none()).withoutDropout(), model, 2)
                    .run(batches);
            assertThrows(
                    AssertionError.class,
                    () -> NamedGradients.assertSame(expected, takeGradients(model), 1e-6f),
                    "nothing was dropped");
        }
    }

    private static Map<String, float[]> withDropout(
            CausalLM model, List<Batch> batches, GradientCheckpointing checkpointing) {
        Torch.seed(11);
        new Pipeline(new Backpropagation(model, checkpointing), model, 2).run(batches);
        return takeGradients(model);
    }

    @Test
    void whatIsBeforeTheFirstSegmentThatTrainsIsNotRecorded() {
        Batch batch = batches(1).get(0);
        try (CausalLM model = TinyModels.load(TinyModels.DEEP, LoadOptions.defaults());
                TensorScope scope = TensorScope.open()) {
            model.network().layers().get(4).allParameters().forEach(p -> p.train(p.dtype()));
            try (MicroBatches all = new Backpropagation(model, GradientCheckpointing.none()).microBatches();
                    MicroBatch running =
                            all.start(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1))) {
                SegmentOutput frozen = running.forward(0, 5, running.tokens(), Gradients.OF_PARAMETERS);
                assertEquals(false, frozen.isRecorded());
                SegmentOutput rest = running.forward(5, running.segments(), frozen.tensor(), Gradients.OF_PARAMETERS);
                assertEquals(true, rest.isRecorded());
                assertEquals(null, rest.backward(null));
                assertThrows(IllegalStateException.class, () -> rest.backward(null), "it goes back once");
                assertThrows(IllegalStateException.class, () -> frozen.backward(null));
                assertThrows(
                        IndexOutOfBoundsException.class, () -> running.forward(3, 3, frozen.tensor(), Gradients.NONE));
            }
            model.network().layers().forEach(layer -> layer.allParameters()
                    .forEach(p -> assertEquals(layer == model.network().layers().get(4), p.grad() != null)));
        }
    }

    @Test
    void whatDoesNotGoBackIsFreed() {
        Batch batch = batches(1).get(0);
        try (CausalLM model = TinyModels.load(TinyModels.DEEP, LoadOptions.defaults());
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Backpropagation backpropagation = new Backpropagation(model, GradientCheckpointing.none());
            long leaked = NativeMemory.leak(() -> {
                for (int pass = 0; pass < 20; pass++) {
                    try (TensorScope scope = TensorScope.open();
                            MicroBatches all = backpropagation.microBatches();
                            MicroBatch running =
                                    all.start(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1));
                            SegmentOutput first = running.forward(0, 6, running.tokens(), Gradients.OF_PARAMETERS)) {
                        Tensor hidden = first.tensor();
                        assertEquals(3, hidden.dim());
                    }
                }
            });
            assertEquals(true, leaked < 1L << 20, "native memory grew by " + leaked + " bytes every 20 passes");
        }
    }
}
