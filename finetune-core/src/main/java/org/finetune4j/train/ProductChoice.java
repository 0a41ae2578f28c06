package org.finetune4j.train;

import java.util.OptionalInt;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.tensor.MatrixProducts.Choice;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.steps.StepBatch;
import org.finetune4j.train.steps.StepBatches;

/**
 * Who multiplies in a batch's passes, by what is known of its shapes ({@link MatrixProducts}).
 *
 * @param commonLength the one that most batches have
 * @param weights numbers of all the layers' weights if every layer runs by formula, where a batch's tokens are the rows of one
 *     matrix; 0 otherwise: autograd makes matrices of many more shapes
 * @param alone whether no other rank takes part in this process
 */
record ProductChoice(OptionalInt commonLength, long weights, boolean alone) {

    /**
     * Weights times tokens from which a product takes so long that compiling a kernel for it does not count: the thirty or so of a
     * batch take some 50 ms, the products of this many a second.
     */
    private static final double LARGE = 3e10;

    static ProductChoice of(
            DecoderModel network, TrainingArguments arguments, Membership membership, OptionalInt commonLength) {
        SegmentFactory segments = arguments.segments();
        boolean byFormula = network.layers().stream()
                .allMatch(layer -> segments.memory(layer).isPresent());
        return new ProductChoice(
                commonLength,
                byFormula
                        ? network.layers().stream()
                                .mapToLong(ProductChoice::numbers)
                                .sum()
                        : 0,
                membership.isAloneInProcess());
    }

    private static long numbers(DecoderLayer layer) {
        return layer.allParameters().stream().mapToLong(Parameter::numel).sum();
    }

    /**
     * The choice for one batch of a step.
     *
     * @param part the batch
     * @param step all of its step, those of other ranks too
     */
    Choice of(StepBatch part, StepBatches step) {
        if (alone) {
            return recurs(part.batch()) || isLarge(part.batch()) ? Choice.ONE_DNN_FOR_MATRICES : Choice.MKL;
        }
        // Ranks that are threads of one process wait for each other in their passes: they choose alike.
        return step.batches().stream().allMatch(each -> recurs(each.batch()) || isLarge(each.batch()))
                ? Choice.ONE_DNN
                : Choice.MKL;
    }

    private boolean recurs(Batch batch) {
        return commonLength.isPresent() && batch.sequenceLength() == commonLength.getAsInt();
    }

    private boolean isLarge(Batch batch) {
        return (double) weights * batch.realTokens() >= LARGE;
    }
}
