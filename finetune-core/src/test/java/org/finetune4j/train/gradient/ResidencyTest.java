package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.GoldenModels;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Residency;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.SyntheticSamples;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whoever keeps weights elsewhere is asked for every segment, forwards and backwards, and told when it is done. */
class ResidencyTest {

    private static final int LAYERS = 8;

    /** Writes down what it is asked; fails at one of the calls where that is wanted. */
    private static final class Recorder implements Residency {

        private final CausalLM model;
        private final List<String> calls = new ArrayList<>();
        private String failing = "";

        Recorder(CausalLM model) {
            this.model = model;
        }

        private void record(String what, Module segment) {
            int layer = model.network().layers().indexOf(segment);
            String name = layer >= 0
                    ? String.valueOf(layer)
                    : segment == model.network().headPart() ? "head" : "embedding";
            calls.add(what + " " + name);
            if (calls.get(calls.size() - 1).equals(failing)) {
                throw new IllegalStateException(failing);
            }
        }

        @Override
        public void beforeForward(Module segment) {
            record("before", segment);
        }

        @Override
        public void afterForward(Module segment) {
            record("after", segment);
        }

        @Override
        public void beforeBackward(Module segment) {
            record("before backward", segment);
        }

        @Override
        public void afterBackward(Module segment) {
            record("after backward", segment);
        }
    }

    private static List<String> around(String direction, List<String> segments) {
        return segments.stream()
                .flatMap(segment ->
                        List.of("before" + direction + " " + segment, "after" + direction + " " + segment).stream())
                .toList();
    }

    private static List<String> layers(int from, int to) {
        return IntStream.range(from, to).mapToObj(String::valueOf).toList();
    }

    private static Batch batch() {
        return new Collator(0, 1).collate(List.of(new SyntheticSamples(1, 199, 1).get(0)));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3})
    void everySegmentIsAskedForInItsTurn(int everyLayers) {
        Batch batch = batch();
        try (CausalLM model = TinyModels.load(TinyModels.DEEP, LoadOptions.defaults());
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Recorder recorder = new Recorder(model);
            Backpropagation backpropagation =
                    new Backpropagation(model, new GradientCheckpointing(everyLayers)).with(recorder);
            // Two batches of one step: everything happens twice.
            for (int accumulated = 0; accumulated < 2; accumulated++) {
                backpropagation.run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1));
            }
            List<String> expected = new ArrayList<>(around("", List.of("embedding")));
            expected.addAll(around("", layers(0, LAYERS)));
            // A head's gradients are calculated while it runs.
            expected.addAll(List.of("before head", "before backward head", "after backward head", "after head"));
            int size = Math.max(1, everyLayers);
            for (int start = (LAYERS - 1) / size * size; start >= 0; start -= size) {
                int end = Math.min(LAYERS, start + size);
                if (everyLayers > 0) {
                    expected.addAll(around("", layers(start, end)));
                }
                for (int layer = end - 1; layer >= start; layer--) {
                    expected.addAll(around(" backward", List.of(String.valueOf(layer))));
                }
            }
            expected.addAll(around(" backward", List.of("embedding")));
            expected.addAll(List.copyOf(expected));
            assertEquals(expected, recorder.calls);
        }
    }

    @Test
    void aMeasurementAsksForwardsOnly() {
        Batch batch = batch();
        try (CausalLM model = TinyModels.load(TinyModels.DEEP, LoadOptions.defaults())) {
            Recorder recorder = new Recorder(model);
            new Backpropagation(model, GradientCheckpointing.none())
                    .with(recorder)
                    .evaluate(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1));
            List<String> expected = new ArrayList<>(around("", List.of("embedding")));
            expected.addAll(around("", layers(0, LAYERS)));
            expected.addAll(around("", List.of("head")));
            assertEquals(expected, recorder.calls);
        }
    }

    @Test
    void whatFailsAtOneSegmentLeavesTheModelUsable() {
        Batch batch = batch();
        try (CausalLM model = TinyModels.load(TinyModels.DEEP, LoadOptions.defaults())) {
            Backpropagation plain = new Backpropagation(model, GradientCheckpointing.none());
            LossHead head = LanguageModelLoss.of(model.network(), batch, 1);
            double loss = plain.evaluate(batch.modelInputs(), head);
            Recorder recorder = new Recorder(model);
            recorder.failing = "before 5";
            assertThrows(IllegalStateException.class, () -> plain.with(recorder).evaluate(batch.modelInputs(), head));
            assertEquals(loss, plain.evaluate(batch.modelInputs(), head));
        }
    }

    /** The embedding's and the head's part have every parameter that is no layer's, so that whoever gathers misses none. */
    @ParameterizedTest
    @MethodSource("models")
    void theSegmentsTogetherHaveEveryParameter(String name) {
        try (CausalLM model = TinyModels.load(name, LoadOptions.defaults())) {
            Set<Parameter> all = Collections.newSetFromMap(new IdentityHashMap<>());
            all.addAll(model.network().embeddingPart().allParameters());
            model.network().layers().forEach(layer -> all.addAll(layer.allParameters()));
            all.addAll(model.network().headPart().allParameters());
            assertEquals(Set.copyOf(model.network().allParameters()), Set.copyOf(all));
            assertTrue(model.network()
                    .headPart()
                    .allParameters()
                    .contains(model.network().outputLayer().weight()));
        }
    }

    static List<String> models() {
        return GoldenModels.names();
    }

    @Test
    void whoFailsAmongSeveralLetsTheOthersLeave() {
        Batch batch = batch();
        try (CausalLM model = TinyModels.load(TinyModels.DEEP, LoadOptions.defaults())) {
            Recorder outer = new Recorder(model);
            Recorder inner = new Recorder(model);
            inner.failing = "before 2";
            try (CausalLM.Residence residence = model.with(List.of(outer, inner))) {
                assertThrows(IllegalStateException.class, () -> model.logits(batch.modelInputs()));
                assertEquals("after 2", outer.calls.get(outer.calls.size() - 1));
                assertEquals("before 2", inner.calls.get(inner.calls.size() - 1));
                inner.failing = "after 1";
                assertThrows(IllegalStateException.class, () -> model.logits(batch.modelInputs()));
                assertEquals("after 1", outer.calls.get(outer.calls.size() - 1));
            }
            int calls = outer.calls.size();
            model.logits(batch.modelInputs()).close();
            assertEquals(calls, outer.calls.size(), "the run is over");
        }
    }
}
