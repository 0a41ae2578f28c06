package org.finetune4j.strategy;

import static org.finetune4j.strategy.AdapterTrial.arguments;
import static org.finetune4j.strategy.AdapterTrial.assertSameFiles;
import static org.finetune4j.strategy.AdapterTrial.backpropagate;
import static org.finetune4j.strategy.AdapterTrial.batch;
import static org.finetune4j.strategy.AdapterTrial.gradients;
import static org.finetune4j.strategy.AdapterTrial.logits;
import static org.finetune4j.strategy.AdapterTrial.train;
import static org.finetune4j.strategy.AdapterTrial.trainer;
import static org.finetune4j.strategy.AdapterTrial.values;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What every method that makes an adapter promises. A method's test extends this and says how the method is made, how many
 * numbers it trains, and what it says to a misspelt target.
 */
@TestInstance(Lifecycle.PER_CLASS)
public abstract class AdapterContract {

    /** Rotary positions and separate projections; tied embeddings and weights the other way round; many layers. */
    protected static final List<String> FEW_MODELS = List.of("llama", "gpt2", TinyModels.DEEP);

    /** Also biases on some projections, fused projections, and experts. A new kind of model is one more name here. */
    protected static final List<String> ALL_MODELS =
            List.of("llama", "gpt2", TinyModels.DEEP, "qwen2", "phi3", "qwen3_moe");

    @TempDir
    protected Path directory;

    private final TrainedAdapters trained = new TrainedAdapters(this::attach);

    @BeforeAll
    void keepTrainedAdapters(@TempDir Path shared) {
        trained.keepIn(shared);
    }

    /** The method, with a neutral start: it changes nothing before it is trained. */
    protected abstract FineTuningStrategy strategy();

    /** By the method's formula, how many numbers it trains on this model. */
    protected abstract long expectedTrainableParameters(CausalLM model);

    /** The method with a target of this name, where it has targets. */
    protected abstract Optional<FineTuningStrategy> withTarget(String name);

    /** The models it is tried on. */
    protected List<String> models() {
        return ALL_MODELS;
    }

    /** Whether the method can be folded into the base's weights. */
    protected boolean canMerge() {
        return strategy().mergesIntoBase();
    }

    /** How far logits may move when the adapter is attached; above 0 where attaching takes weights apart. */
    protected float neutralTolerance() {
        return 1e-6f;
    }

    /** Whether the gradient of a parameter is the derivative of the loss; false where the method says it is not. */
    protected boolean isDerivative(Parameter parameter) {
        return true;
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void aNewAdapterChangesNothingAndAClosedOneLeavesNothing(String name) {
        on(name, model -> {
            float[] before = logits(model);
            try (AttachedStrategy attached = strategy().attach(model)) {
                assertArrayEquals(before, logits(model), neutralTolerance());
            }
            assertArrayEquals(before, logits(model));
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void trainsAsManyNumbersAsItsFormulaSays(String name) {
        on(name, model -> {
            try (Adapter adapter = attach(model)) {
                Collection<Parameter> trainable = adapter.trainableParameters();
                long numbers = trainable.stream()
                        .mapToLong(parameter -> parameter.value().numel())
                        .sum();
                assertEquals(expectedTrainableParameters(model), numbers);
                assertEquals(trainable.size(), trainable.stream().distinct().count());
                assertTrue(trainable.stream().allMatch(Parameter::isTrainable));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void theWholeAdapterAndNothingElseGetsGradients(String name) {
        on(name, model -> {
            Collection<Parameter> base = List.copyOf(model.network().allParameters());
            try (Adapter adapter = attachTrained(model, name)) {
                backpropagate(model, adapter, GradientCheckpointing.none());
                for (Parameter parameter : base) {
                    assertFalse(parameter.isTrainable(), parameter.name());
                    assertNull(parameter.grad(), parameter.name());
                }
                Map<String, float[]> gradients = gradients(adapter);
                Set<String> trainable = adapter.parametersByKey().entrySet().stream()
                        .filter(entry -> entry.getValue().isTrainable())
                        .map(Map.Entry::getKey)
                        .collect(Collectors.toSet());
                assertEquals(trainable, gradients.keySet());
                gradients.forEach((key, gradient) -> assertFalse(isZero(gradient), key));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void trainingChangesTheAdapterAndNotTheBase(String name) {
        on(name, model -> {
            float[] before = logits(model);
            Map<String, float[]> base = values(model.network().namedParameters());
            try (AttachedStrategy attached = strategy().attach(model)) {
                train(model, attached);
                assertFalse(Arrays.equals(before, logits(model)));
            }
            assertArrayEquals(before, logits(model));
            values(model.network().namedParameters())
                    .forEach((key, value) -> assertArrayEquals(base.get(key), value, key));
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void aDisabledAdapterIsTheBaseExactly(String name) {
        on(name, model -> {
            float[] base = logits(model);
            try (Adapter adapter = attachTrained(model, name)) {
                float[] trained = logits(model);
                assertTrue(adapter.isEnabled());
                adapter.disable();
                assertFalse(adapter.isEnabled());
                assertArrayEquals(base, logits(model));
                adapter.enable();
                assertArrayEquals(trained, logits(model));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void twoAdaptersDoNotDisturbEachOther(String name) {
        on(name, model -> {
            Path saved = trained.of(name, LoadOptions.defaults());
            float[] base = logits(model);
            try (AdapterSet adapters = AdapterSet.of(model)) {
                Adapter first = adapters.add("first", strategy());
                adapters.activate("first");
                first.restore(saved);
                float[] afterFirst = logits(model);
                Adapter second = adapters.add("second", strategy());
                assertArrayEquals(afterFirst, logits(model));
                adapters.activate("second");
                assertArrayEquals(base, logits(model), neutralTolerance());
                second.restore(saved); // what both are made of may be the same: the training makes them differ
                train(model, second);
                float[] afterSecond = logits(model);
                assertFalse(Arrays.equals(afterFirst, afterSecond));
                adapters.activate("first");
                assertArrayEquals(afterFirst, logits(model));
                adapters.activate("second");
                assertArrayEquals(afterSecond, logits(model));
                adapters.deactivate();
                assertArrayEquals(base, logits(model));
            }
            assertArrayEquals(base, logits(model));
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void twoAdaptersAtOnePlaceCannotBothBeEnabled(String name) {
        on(name, model -> {
            try (Adapter first = attachTrained(model, name)) {
                float[] trained = logits(model);
                assertThrows(UserErrorException.class, () -> strategy().attach(model));
                assertArrayEquals(trained, logits(model));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void aSavedAdapterIsLoadedAgainBitForBit(String name) {
        on(name, model -> {
            Path saved = directory.resolve("adapter");
            float[] trained;
            try (AttachedStrategy attached = strategy().attach(model)) {
                train(model, attached);
                trained = logits(model);
                attached.save(saved);
            }
            try (Adapter loaded = AdapterFormat.load(model, saved, false)) {
                assertArrayEquals(trained, logits(model));
                assertEquals(List.of(), List.copyOf(loaded.trainableParameters()));
                Path again = directory.resolve("again");
                loaded.save(again);
                assertSameFiles(saved, again);
            }
            try (AttachedStrategy restored = strategy().attach(model)) {
                restored.restore(saved);
                assertArrayEquals(trained, logits(model));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void threadsThatShareALoadedAdapterGetWhatOneOfThemGets(String name) {
        on(name, model -> {
            try (Adapter loaded = AdapterFormat.load(model, trained.of(name, LoadOptions.defaults()), false)) {
                float[] alone = logits(model);
                IntStream.range(0, 8).parallel().forEach(turn -> assertArrayEquals(alone, logits(model)));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void mergingGivesTheSameResultsAndUnmergingTheSameBytes(String name) {
        assumeTrue(canMerge(), "this method is not folded in");
        inFloat64(name, model -> {
            float[] base = logits(model);
            try (Adapter adapter = attachTrainedInFloat64(model, name)) {
                float[] trained = logits(model);
                adapter.merge();
                assertTrue(adapter.isEnabled());
                assertArrayEquals(trained, logits(model), 1e-5f);
                model.save(directory.resolve("merged"));
                adapter.unmerge();
                assertArrayEquals(trained, logits(model));
                try (CausalLM merged = CausalLM.load(directory.resolve("merged"))) {
                    assertArrayEquals(trained, logits(merged), 1e-5f);
                }
                adapter.merge();
                adapter.disable();
                assertArrayEquals(base, logits(model));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void whatCannotBeMergedSaysSo(String name) {
        assumeFalse(canMerge(), "this method can be folded in");
        on(name, model -> {
            try (Adapter adapter = attach(model)) {
                float[] before = logits(model);
                assertThrows(UserErrorException.class, adapter::merge);
                assertArrayEquals(before, logits(model));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void aMisspeltTargetIsRefusedWithTheNearestName(String name) {
        on(name, model -> {
            String real = model.linearLayerNames().get(0);
            String leaf = real.substring(real.lastIndexOf('.') + 1);
            Optional<FineTuningStrategy> misspelt = withTarget(leaf + "x");
            assumeTrue(misspelt.isPresent(), "this method has no targets");
            float[] before = logits(model);
            String message = assertThrows(
                            UserErrorException.class, () -> misspelt.get().attach(model))
                    .getMessage();
            assertTrue(message.contains("did you mean '" + leaf + "'"), message);
            assertArrayEquals(before, logits(model));
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void checkpointedActivationsGiveTheSameGradients(String name) {
        on(name, model -> {
            try (Adapter adapter = attachTrained(model, name)) {
                assertCheckpointingChangesNothing(model, adapter, AdapterTrial::backpropagate);
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void aLayerThatRunsAgainDropsWhatItDroppedTheFirstTime(String name) {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = TinyModels.loadWithDropout(name);
                Adapter adapter = attachTrained(model, name)) {
            backpropagate(model, adapter, GradientCheckpointing.none());
            Map<String, float[]> nothingDropped = gradients(adapter);
            Map<String, float[]> dropped =
                    assertCheckpointingChangesNothing(model, adapter, AdapterTrial::backpropagateWithDropout);
            assertFalse(
                    dropped.entrySet().stream()
                            .allMatch(entry -> Arrays.equals(entry.getValue(), nothingDropped.get(entry.getKey()))),
                    "nothing was dropped");
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void stagesThatWorkOnSeveralBatchesInTurnGiveTheGradientsOfOneBatchAfterTheOther(String name) {
        on(name, model -> {
            try (Adapter adapter = attachTrained(model, name)) {
                NamedGradients.assertSame(
                        AdapterTrial.gradientsOfTwoBatches(model, adapter),
                        AdapterTrial.gradientsOfTwoBatchesInStages(model, adapter),
                        1e-6f);
            }
        });
    }

    /** Runs a batch forwards and backwards. */
    private interface Pass {
        void run(CausalLM model, Adapter adapter, GradientCheckpointing checkpointing);
    }

    private Map<String, float[]> assertCheckpointingChangesNothing(CausalLM model, Adapter adapter, Pass pass) {
        pass.run(model, adapter, GradientCheckpointing.none());
        Map<String, float[]> kept = gradients(adapter);
        for (GradientCheckpointing checkpointing : List.of(
                GradientCheckpointing.every(1),
                GradientCheckpointing.every(3),
                GradientCheckpointing.every(2).offloadedTo(directory))) {
            pass.run(model, adapter, checkpointing);
            NamedGradients.assertSame(kept, gradients(adapter), 1e-6f);
        }
        return kept;
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void gradientsAreDerivatives(String name) {
        inFloat64(name, model -> {
            try (Adapter adapter = attachTrainedInFloat64(model, name)) {
                Batch batch = batch();
                double scale = 1.0 / batch.labelledTokens();
                backpropagate(model, adapter, GradientCheckpointing.none());
                DirectionalDerivative.assertAreGradients(
                        adapter.trainableParameters().stream()
                                .filter(this::isDerivative)
                                .toList(),
                        () -> new Backpropagation(model, GradientCheckpointing.none())
                                        .evaluate(
                                                batch.modelInputs(),
                                                LanguageModelLoss.of(model.network(), batch, scale))
                                + adapter.trainingHooks().penalty(false));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void aResumedTrainingEndsWhereAnUninterruptedOneDoes(String name) {
        on(name, model -> {
            float[] whole;
            TrainingArgumentsBuilder arguments = arguments();
            try (Adapter adapter = attach(model)) {
                trainer(model, adapter, arguments.build()).train();
                whole = logits(model);
            }
            Path output = directory.resolve("run-" + Math.abs(Arrays.hashCode(whole)));
            arguments.outputDirectory(output);
            try (Adapter adapter = attach(model)) {
                AdapterTrial.StopAfter stop = new AdapterTrial.StopAfter(2);
                Trainer interrupted = trainer(model, adapter, arguments.build(), stop);
                stop.trainer = interrupted;
                assertTrue(interrupted.train().interrupted());
            }
            try (Adapter adapter = attach(model)) {
                trainer(model, adapter, arguments.resume(true).build()).train();
                assertArrayEquals(whole, logits(model));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void aClosedAdapterIsRefusedBeforeAFileIsTouched(String name) {
        on(name, model -> {
            Adapter adapter = attach(model);
            Path saved = directory.resolve("saved");
            adapter.save(saved);
            adapter.close();
            adapter.close();
            Path target = directory.resolve("closed");
            Map<String, Executable> uses = Map.of(
                    "save", () -> adapter.save(target),
                    "export", () -> adapter.export(target),
                    "restore", () -> adapter.restore(saved),
                    "enable", adapter::enable,
                    "disable", adapter::disable,
                    "merge", adapter::merge,
                    "unmerge", adapter::unmerge,
                    "trainableParameters", adapter::trainableParameters,
                    "parametersByKey", adapter::parametersByKey);
            uses.forEach((use, call) -> assertThrows(IllegalStateException.class, call, use));
            assertFalse(Files.exists(target));
        });
    }

    /** Attaches with the random numbers of one seed. */
    protected final Adapter attach(CausalLM model) {
        Torch.seed(11);
        return (Adapter) strategy().attach(model);
    }

    /** Attaches an adapter that was trained. */
    private Adapter attachTrained(CausalLM model, String name) {
        return attachTrained(model, trained.of(name, LoadOptions.defaults()));
    }

    private Adapter attachTrainedInFloat64(CausalLM model, String name) {
        return attachTrained(model, trained.of(name, LoadOptions.defaults().inDoublePrecision()));
    }

    private Adapter attachTrained(CausalLM model, Path saved) {
        Adapter adapter = attach(model);
        adapter.restore(saved);
        return adapter;
    }

    private static void on(String name, Consumer<CausalLM> check) {
        on(name, LoadOptions.defaults(), check);
    }

    private static void inFloat64(String name, Consumer<CausalLM> check) {
        on(name, LoadOptions.defaults().inDoublePrecision(), check);
    }

    private static void on(String name, LoadOptions options, Consumer<CausalLM> check) {
        Torch.seed(5); // what is drawn does not depend on the tests before
        try (TensorScope scope = TensorScope.open();
                CausalLM model = TinyModels.load(name, options)) {
            check.accept(model);
        }
    }

    private static boolean isZero(float[] values) {
        for (float value : values) {
            if (value != 0) {
                return false;
            }
        }
        return true;
    }
}
