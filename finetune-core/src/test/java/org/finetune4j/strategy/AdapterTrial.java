package org.finetune4j.strategy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.gradient.Pipeline;
import org.jspecify.annotations.Nullable;

/** What the tests of an adapter do with it: short trainings on made-up tokens, gradients, answers, comparisons of files. */
final class AdapterTrial {

    private static final ModelInputs PROMPT = ModelInputs.of(5, 9, 17, 33, 4, 8);
    private static final int VOCABULARY = 199;

    private AdapterTrial() {}

    static TrainingArgumentsBuilder arguments() {
        return TrainingArguments.builder().batchSize(4).maxSteps(4).learningRate(2e-2);
    }

    /** Trains a few steps, enough to move every parameter. */
    static void train(CausalLM model, AttachedStrategy attached) {
        trainer(model, attached, arguments().build()).train();
        assertTrue(attached.trainableParameters().stream().allMatch(parameter -> parameter.grad() == null));
    }

    static Trainer trainer(
            CausalLM model, AttachedStrategy attached, TrainingArguments arguments, TrainingListener... listeners) {
        return new Trainer(
                model,
                attached,
                arguments,
                new SyntheticSamples(12, VOCABULARY, 3),
                null,
                new Collator(0, 1),
                List.of(listeners));
    }

    static Batch batch() {
        SyntheticSamples samples = new SyntheticSamples(4, VOCABULARY, 5);
        return new Collator(0, 1)
                .collate(IntStream.range(0, samples.size())
                        .mapToObj(samples::get)
                        .toList());
    }

    static void backpropagate(CausalLM model, Adapter adapter, GradientCheckpointing checkpointing) {
        run(model, adapter, new Backpropagation(model, checkpointing).withoutDropout());
    }

    /** The same, with the random numbers of one seed. */
    static void backpropagateWithDropout(CausalLM model, Adapter adapter, GradientCheckpointing checkpointing) {
        Torch.seed(13);
        run(model, adapter, new Backpropagation(model, checkpointing));
    }

    private static void run(CausalLM model, Adapter adapter, Backpropagation backpropagation) {
        Batch batch = batch();
        adapter.trainableParameters().forEach(Parameter::clearGrad);
        backpropagation.run(
                batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens()));
        adapter.trainingHooks().penalty(true);
    }

    static Map<String, float[]> gradientsOfTwoBatches(CausalLM model, Adapter adapter) {
        List<Batch> batches = twoBatches();
        double scale = 1.0 / batches.stream().mapToInt(Batch::labelledTokens).sum();
        Backpropagation backpropagation = new Backpropagation(model, GradientCheckpointing.none()).withoutDropout();
        adapter.trainableParameters().forEach(Parameter::clearGrad);
        for (Batch batch : batches) {
            backpropagation.run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, scale));
        }
        return gradients(adapter);
    }

    /** Three stages, of which the first one has the embedding alone, with checkpoints. */
    static Map<String, float[]> gradientsOfTwoBatchesInStages(CausalLM model, Adapter adapter) {
        Backpropagation backpropagation = new Backpropagation(model, GradientCheckpointing.every(1)).withoutDropout();
        adapter.trainableParameters().forEach(Parameter::clearGrad);
        new Pipeline(backpropagation, model, 1, 2).run(twoBatches());
        return gradients(adapter);
    }

    private static List<Batch> twoBatches() {
        SyntheticSamples samples = new SyntheticSamples(4, VOCABULARY, 5);
        Collator collator = new Collator(0, 1);
        return List.of(
                collator.collate(List.of(samples.get(0), samples.get(1))),
                collator.collate(List.of(samples.get(2), samples.get(3))));
    }

    static Map<String, float[]> gradients(Adapter adapter) {
        return NamedGradients.of(adapter.parametersByKey());
    }

    /** The model's answer to a fixed prompt. */
    static float[] logits(CausalLM model) {
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(PROMPT).to(DType.FLOAT32).toFloatArray();
        }
    }

    static void assertSameFiles(Path expected, Path actual) {
        Map<String, byte[]> wanted = files(expected);
        Map<String, byte[]> found = files(actual);
        assertEquals(wanted.keySet(), found.keySet());
        wanted.forEach((name, bytes) -> assertArrayEquals(bytes, found.get(name), name));
    }

    static Map<String, byte[]> files(Path root) {
        try (Stream<Path> files = Files.walk(root)) {
            Map<String, byte[]> contents = new TreeMap<>();
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                contents.put(root.relativize(file).toString(), Files.readAllBytes(file));
            }
            return contents;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Map<String, float[]> values(Map<String, Parameter> parameters) {
        Map<String, float[]> values = new HashMap<>();
        try (TensorScope scope = TensorScope.open()) {
            parameters.forEach((name, parameter) ->
                    values.put(name, parameter.value().detach().contiguous().toFloatArray()));
        }
        return values;
    }

    /** Asks the run to stop after some steps, as a user's Ctrl-C does. */
    static final class StopAfter implements TrainingListener {

        private final long steps;

        @Nullable
        Trainer trainer;

        StopAfter(long steps) {
            this.steps = steps;
        }

        @Override
        public void onStep(StepMetrics metrics) {
            if (metrics.step() == steps) {
                Objects.requireNonNull(trainer).requestStop();
            }
        }
    }
}
