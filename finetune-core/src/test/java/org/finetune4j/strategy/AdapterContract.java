package org.finetune4j.strategy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.TrainingArguments;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What every method that makes an adapter promises. A method's test extends this and says how the method is made. */
public abstract class AdapterContract {

    private static final Path GOLDENS = Path.of("../finetune-core/src/test/resources/goldens/arch");
    private static final ModelInputs PROMPT = ModelInputs.of(5, 9, 17, 33, 4, 8);

    @TempDir
    protected Path directory;

    /** The method, with a neutral start: it changes nothing before it is trained. */
    protected abstract FineTuningStrategy strategy();

    /** The models it is tried on. */
    protected List<String> models() {
        return List.of("llama", "llama-tied", "gpt2");
    }

    @Test
    void aNewAdapterChangesNothingAndAClosedOneLeavesNothing() {
        forEachModel(model -> {
            float[] before = logits(model);
            try (AttachedStrategy attached = strategy().attach(model)) {
                assertArrayEquals(before, logits(model), 1e-6f);
            }
            assertArrayEquals(before, logits(model));
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
    void aSavedAdapterIsLoadedAgainBitForBit() {
        forEachModel(model -> {
            float[] trained;
            try (AttachedStrategy attached = strategy().attach(model)) {
                train(model, attached);
                trained = logits(model);
                attached.save(directory.resolve("adapter"));
            }
            try (Adapter loaded = AdapterFormat.load(model, directory.resolve("adapter"), false)) {
                assertArrayEquals(trained, logits(model));
                assertEquals(List.of(), List.copyOf(loaded.trainableParameters()));
            }
            try (AttachedStrategy restored = strategy().attach(model)) {
                restored.restore(directory.resolve("adapter"));
                assertArrayEquals(trained, logits(model));
            }
        });
    }

    @Test
    void mergingGivesTheSameResultsAndUnmergingTheSameBytes() {
        forEachModel(model -> {
            try (Adapter adapter = (Adapter) strategy().attach(model)) {
                train(model, adapter);
                float[] trained = logits(model);
                adapter.merge();
                assertArrayEquals(trained, logits(model), 1e-4f);
                model.save(directory.resolve("merged"));
                adapter.unmerge();
                assertArrayEquals(trained, logits(model));
                try (CausalLM merged = CausalLM.load(directory.resolve("merged"))) {
                    assertArrayEquals(trained, logits(merged), 1e-4f);
                }
            }
        });
    }

    @Test
    void gradientsEqualFiniteDifferences() {
        forEachModel(model -> {
            try (AttachedStrategy attached = strategy().attach(model)) {
                train(model, attached);
                Batch batch = new Collator(0, 1).collate(List.of(new SyntheticSamples(1, 199, 5).get(0)));
                double scale = 1.0 / batch.labelledTokens();
                Backpropagation backpropagation =
                        new Backpropagation(model, GradientCheckpointing.none()).withoutDropout();
                backpropagation.run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, scale));
                for (Parameter parameter : firstAndLast(attached)) {
                    double expected = numericGradient(model, parameter, batch, scale);
                    double actual = parameter.grad().reshape(-1).toFloatArray()[0];
                    assertEquals(expected, actual, 2e-3 + 0.05 * Math.abs(expected), parameter.name());
                }
            }
        });
    }

    private static List<Parameter> firstAndLast(AttachedStrategy attached) {
        List<Parameter> all = new ArrayList<>(attached.trainableParameters());
        return List.of(all.get(0), all.get(all.size() - 1));
    }

    private static double numericGradient(CausalLM model, Parameter parameter, Batch batch, double scale) {
        double step = 1e-2;
        double up = lossAfter(model, parameter, batch, scale, step);
        double down = lossAfter(model, parameter, batch, scale, -2 * step);
        lossAfter(model, parameter, batch, scale, step);
        return (up - down) / (2 * step);
    }

    /** Moves the parameter's first element and gives the loss there. */
    private static double lossAfter(CausalLM model, Parameter parameter, Batch batch, double scale, double move) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor first = parameter.value().detach().reshape(-1).narrow(0, 0, 1);
            first.addInPlace(move);
            return new Backpropagation(model, GradientCheckpointing.none())
                    .evaluate(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, scale));
        }
    }

    private void train(CausalLM model, AttachedStrategy attached) {
        TrainingArguments arguments = TrainingArguments.builder()
                .batchSize(4)
                .maxSteps(6)
                .learningRate(2e-2)
                .build();
        new Trainer(model, attached, arguments, new SyntheticSamples(12, 199, 3), null, new Collator(0, 1), List.of())
                .train();
        assertTrue(attached.trainableParameters().stream().allMatch(parameter -> parameter.grad() == null));
    }

    private void forEachModel(Consumer<CausalLM> check) {
        for (String name : models()) {
            try (TensorScope scope = TensorScope.open();
                    CausalLM model = CausalLM.load(GOLDENS.resolve(name))) {
                check.accept(model);
            }
        }
    }

    private static float[] logits(CausalLM model) {
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(PROMPT).toFloatArray();
        }
    }

    private static Map<String, float[]> values(Map<String, Parameter> parameters) {
        Map<String, float[]> values = new HashMap<>();
        try (TensorScope scope = TensorScope.open()) {
            parameters.forEach((name, parameter) ->
                    values.put(name, parameter.value().detach().contiguous().toFloatArray()));
        }
        return values;
    }
}
