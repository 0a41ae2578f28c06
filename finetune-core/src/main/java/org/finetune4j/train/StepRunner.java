package org.finetune4j.train;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.BooleanSupplier;
import org.finetune4j.data.Batch;
import org.finetune4j.data.BatchIterator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.TrainingHooks;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.event.DataWaitEvent;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.EmbeddingNoise;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.optimizer.GradientClipping;
import org.jspecify.annotations.Nullable;

/** The gradients of one optimizer step: batches from the iterator, each forwards and backwards, then clipping. */
final class StepRunner {

    private final CausalLM model;
    private final List<Parameter> trainable;
    private final TrainingHooks hooks;
    private final Objective objective;
    private final TrainingArguments arguments;
    private final Backpropagation backpropagation;
    private final OptionalInt commonLength;
    private final BooleanSupplier stopRequested;

    /** @param commonLength the length that nearly all batches have, if there is one */
    StepRunner(
            CausalLM model,
            List<Parameter> trainable,
            TrainingHooks hooks,
            Objective objective,
            TrainingArguments arguments,
            OptionalInt commonLength,
            BooleanSupplier stopRequested) {
        this.model = model;
        this.trainable = trainable;
        this.hooks = hooks;
        this.objective = objective;
        this.arguments = arguments;
        this.commonLength = commonLength;
        this.stopRequested = stopRequested;
        this.backpropagation = new Backpropagation(model, arguments.checkpointing())
                .with(new EmbeddingNoise(arguments.neftuneNoiseAlpha()));
    }

    /**
     * The batches of one step.
     *
     * @param counted what they count for the objective, labelled tokens for most
     * @param waited nanoseconds that they took to come
     */
    record StepBatches(List<Batch> batches, long counted, long tokens, long waited) {}

    /**
     * What a step's batches gave; the gradients are in the parameters.
     *
     * @param loss mean over what the objective counts
     * @param norm of the gradients before clipping
     */
    record Gradients(double loss, double norm) {

        boolean isFinite() {
            return Double.isFinite(loss) && Double.isFinite(norm);
        }
    }

    StepBatches read(BatchIterator iterator, int count, long step) {
        DataWaitEvent event = new DataWaitEvent();
        event.begin();
        long start = System.nanoTime();
        List<Batch> batches = new ArrayList<>();
        long counted = 0;
        long tokens = 0;
        while (batches.size() < count) {
            Batch batch = iterator.next();
            counted += objective.count(batch);
            tokens += batch.realTokens();
            batches.add(batch);
        }
        event.step = step;
        event.batches = count;
        event.commit();
        return new StepBatches(batches, counted, tokens, System.nanoTime() - start);
    }

    /** Adds up the gradients; null when a stop was asked for before all batches were done. */
    @Nullable
    Gradients run(StepBatches step) {
        double scale = 1.0 / Math.max(1, step.counted());
        double loss = 0;
        for (int i = 0; i < step.batches().size(); i++) {
            if (i > 0 && stopRequested.getAsBoolean()) {
                return null;
            }
            Batch batch = step.batches().get(i);
            boolean recurring = commonLength.isPresent() && batch.sequenceLength() == commonLength.getAsInt();
            try (MatrixProducts.Mode products = MatrixProducts.ofShapes(recurring)) {
                loss += backpropagation.run(batch.modelInputs(), objective.head(model.network(), batch, scale));
            }
        }
        try (MatrixProducts.Mode products = MatrixProducts.ofShapes(false)) {
            loss += hooks.penalty(true);
        }
        return new Gradients(loss, GradientClipping.globalNorm(trainable));
    }

    /** Scales the gradients down to the largest norm allowed. */
    void clip(Gradients gradients) {
        if (arguments.maxGradNorm() > 0) {
            GradientClipping.scaleDown(trainable, gradients.norm(), arguments.maxGradNorm());
        }
    }
}
