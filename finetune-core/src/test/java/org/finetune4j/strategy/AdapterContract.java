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

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.TrainingArguments;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What every method that makes an adapter promises. A method's test extends this and says how the method is made, how many
 * numbers it trains, and what it says to a misspelt target.
 */
public abstract class AdapterContract {

    /** Rotary positions and separate projections; tied embeddings and weights that lie the other way round. */
    protected static final List<String> FEW_MODELS = List.of("llama", "gpt2");

    /** Also biases on some projections, fused projections, and experts. A new kind of model is one more name here. */
    protected static final List<String> ALL_MODELS = List.of("llama", "gpt2", "qwen2", "phi3", "qwen3_moe");

    private static final Path GOLDENS = Path.of("../finetune-core/src/test/resources/goldens/arch");

    @TempDir
    protected Path directory;

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
        return true;
    }

    /** How far logits may move when the adapter is attached; above 0 where attaching takes weights apart. */
    protected float neutralTolerance() {
        return 1e-6f;
    }

    /** Whether the gradient of a parameter is the derivative of the loss; false where the method says it is not. */
    protected boolean isDerivative(Parameter parameter) {
        return true;
    }

    @Test
    void aNewAdapterChangesNothingAndAClosedOneLeavesNothing() {
        forEachModel(model -> {
            float[] before = logits(model);
            try (AttachedStrategy attached = strategy().attach(model)) {
                assertArrayEquals(before, logits(model), neutralTolerance());
            }
            assertArrayEquals(before, logits(model));
        });
    }

    @Test
    void trainsAsManyNumbersAsItsFormulaSays() {
        forEachModel(model -> {
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

    @Test
    void onlyTheAdapterGetsGradients() {
        forEachModel(model -> {
            Collection<Parameter> base = List.copyOf(model.network().allParameters());
            try (Adapter adapter = attach(model)) {
                backpropagate(model, adapter, GradientCheckpointing.none());
                for (Parameter parameter : base) {
                    assertFalse(parameter.isTrainable(), parameter.name());
                    assertNull(parameter.grad(), parameter.name());
                }
                assertTrue(adapter.trainableParameters().stream().anyMatch(parameter -> parameter.grad() != null));
            }
        });
    }

    @Test
    void trainingChangesTheAdapterAndNotTheBase() {
        forEachModel(model -> {
            float[] before = logits(model);
            Map<String, float[]> base = values(model.network().namedParameters());
            try (AttachedStrategy attached = strategy().attach(model)) {
                train(model, attached);
                assertFalse(Arrays.equals(before, logits(model)));
            }
            assertArrayEquals(before, logits(model));
            values(model.network().namedParameters())
                    .forEach((name, value) -> assertArrayEquals(base.get(name), value, name));
        });
    }

    @Test
    void aDisabledAdapterIsTheBaseExactly() {
        forEachModel(model -> {
            float[] base = logits(model);
            try (Adapter adapter = attach(model)) {
                train(model, adapter);
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

    @Test
    void twoAdaptersDoNotDisturbEachOther() {
        forEachModel(model -> {
            float[] base = logits(model);
            try (AdapterSet adapters = AdapterSet.of(model)) {
                Adapter first = adapters.add("first", strategy());
                adapters.activate("first");
                train(model, first);
                float[] afterFirst = logits(model);
                Adapter second = adapters.add("second", strategy());
                assertArrayEquals(afterFirst, logits(model));
                adapters.activate("second");
                assertArrayEquals(base, logits(model), neutralTolerance());
                train(model, second);
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

    @Test
    void twoAdaptersAtOnePlaceCannotBothBeEnabled() {
        forEachModel(model -> {
            try (Adapter first = attach(model)) {
                train(model, first);
                float[] trained = logits(model);
                assertThrows(UserErrorException.class, () -> strategy().attach(model));
                assertArrayEquals(trained, logits(model));
            }
        });
    }

    @Test
    void aSavedAdapterIsLoadedAgainBitForBit() {
        forEachModel(model -> {
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

    @Test
    void mergingGivesTheSameResultsAndUnmergingTheSameBytes() {
        if (!canMerge()) {
            return;
        }
        forEachModelInFloat64(model -> {
            float[] base = logits(model);
            try (Adapter adapter = attach(model)) {
                train(model, adapter);
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

    @Test
    void whatCannotBeMergedSaysSo() {
        if (canMerge()) {
            return;
        }
        forEachModel(model -> {
            try (Adapter adapter = attach(model)) {
                float[] before = logits(model);
                assertThrows(UserErrorException.class, adapter::merge);
                assertArrayEquals(before, logits(model));
            }
        });
    }

    @Test
    void aMisspeltTargetIsRefusedWithTheNearestName() {
        forEachModel(model -> {
            String real = model.linearLayerNames().get(0);
            String leaf = real.substring(real.lastIndexOf('.') + 1);
            Optional<FineTuningStrategy> misspelt = withTarget(leaf + "x");
            if (misspelt.isPresent()) {
                float[] before = logits(model);
                String message = assertThrows(
                                UserErrorException.class, () -> misspelt.get().attach(model))
                        .getMessage();
                assertTrue(message.contains("did you mean '" + leaf + "'"), message);
                assertArrayEquals(before, logits(model));
            }
        });
    }

    @Test
    void checkpointedActivationsGiveTheSameGradients() {
        forEachModel(model -> {
            try (Adapter adapter = attach(model)) {
                train(model, adapter);
                backpropagate(model, adapter, GradientCheckpointing.none());
                Map<String, float[]> kept = gradients(adapter);
                backpropagate(model, adapter, GradientCheckpointing.every(1));
                gradients(adapter).forEach((key, gradient) -> assertArrayEquals(kept.get(key), gradient, 1e-6f, key));
            }
        });
    }

    @Test
    void gradientsAreDerivatives() {
        forEachModelInFloat64(model -> {
            try (Adapter adapter = attach(model)) {
                train(model, adapter);
                Batch batch = batch();
                double scale = 1.0 / batch.labelledTokens();
                backpropagate(model, adapter, GradientCheckpointing.none());
                for (Parameter parameter : adapter.trainableParameters()) {
                    if (isDerivative(parameter)) {
                        DirectionalDerivative.assertIsGradient(
                                parameter,
                                () -> new Backpropagation(model, GradientCheckpointing.none())
                                                .evaluate(
                                                        batch.modelInputs(),
                                                        LanguageModelLoss.of(model.network(), batch, scale))
                                        + adapter.trainingHooks().penalty(false));
                    }
                }
            }
        });
    }

    @Test
    void aResumedTrainingEndsWhereAnUninterruptedOneDoes() {
        forEachModel(model -> {
            float[] whole;
            TrainingArguments.Builder arguments = arguments();
            try (Adapter adapter = attach(model)) {
                trainer(model, adapter, arguments.build()).train();
                whole = logits(model);
            }
            Path output = directory.resolve("run-" + Math.abs(Arrays.hashCode(whole)));
            TrainingArguments resumable =
                    arguments.outputDirectory(output).resume(true).build();
            try (Adapter adapter = attach(model)) {
                AdapterTrial.StopAfter stop = new AdapterTrial.StopAfter(2);
                Trainer interrupted = trainer(model, adapter, resumable, stop);
                stop.trainer = interrupted;
                assertTrue(interrupted.train().interrupted());
            }
            try (Adapter adapter = attach(model)) {
                trainer(model, adapter, resumable).train();
                assertArrayEquals(whole, logits(model));
            }
        });
    }

    /** Attaches with the random numbers of one seed. */
    protected final Adapter attach(CausalLM model) {
        Torch.seed(11);
        return (Adapter) strategy().attach(model);
    }

    /** Gives every model to a check. */
    protected final void forEachModel(Consumer<CausalLM> check) {
        forEachModel(LoadOptions.defaults(), check);
    }

    private void forEachModelInFloat64(Consumer<CausalLM> check) {
        forEachModel(LoadOptions.defaults().withDType(DType.FLOAT64), check);
    }

    private void forEachModel(LoadOptions options, Consumer<CausalLM> check) {
        for (String name : models()) {
            try (TensorScope scope = TensorScope.open();
                    CausalLM model = CausalLM.load(GOLDENS.resolve(name), options)) {
                check.accept(model);
            }
        }
    }
}
