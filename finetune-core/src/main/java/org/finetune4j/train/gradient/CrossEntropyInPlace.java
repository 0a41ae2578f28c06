package org.finetune4j.train.gradient;

import org.finetune4j.model.fused.Projections;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Arena;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.OutVariants;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Cross entropy of some rows and its gradient: the output layer's product, softmax over it in place, one less at the targets, and
 * the product back. Scores exist once.
 *
 * @param output the output layer
 * @param context of the rows by themselves
 * @param arena where the scores are
 */
record CrossEntropyInPlace(Projections output, SequenceContext context, Arena arena) {

    /** The logarithm of a smaller probability is taken from the scores. */
    private static final double SMALLEST = 1e-30;

    /**
     * The sum of the rows' losses.
     *
     * @param input [rows, hidden], normalised
     * @param target [rows, 1] int64
     * @param factor of the sum that the gradient is of
     * @param ofInput [rows, hidden], set to the gradient
     */
    double of(Tensor input, Tensor target, double factor, Tensor ofInput) {
        try (TensorScope scope = TensorScope.open();
                Arena.Region region = arena.open()) {
            long rows = input.size(0);
            long rank = output.rank(context.dropout());
            Tensor low = rank == 0 ? null : region.takeNarrow(rows, rank);
            Tensor scores = region.take(rows, output.outFeatures()); // [rows, vocabulary]
            output.forward(input, scores, 0, low, context, arena);
            OutVariants.softmaxInPlace(scores);
            double[] likely = scores.gather(1, target).toDoubleArray();
            Tensor one = Tensors.full(-1, scores.dtype(), scores.device(), rows, 1);
            scores.scatterAddInPlace(1, target, one);
            output.backward(scores, factor, input, low, ofInput, context, arena);
            double sum = 0;
            for (int i = 0; i < likely.length; i++) {
                if (Double.isNaN(likely[i])) {
                    return Double.NaN;
                }
                sum += likely[i] < SMALLEST ? exactly(input, target, low, i) : -Math.log(likely[i]);
            }
            return sum;
        }
    }

    /** The loss of a row whose target is so unlikely that its probability says nothing. */
    private double exactly(Tensor input, Tensor target, @Nullable Tensor low, int row) {
        try (TensorScope scope = TensorScope.open();
                Arena.Region region = arena.open()) {
            Tensor scores = region.take(1, output.outFeatures());
            Tensor again = low == null ? null : region.take(1, low.size(1));
            output.forward(input.narrow(0, row, 1), scores, 0, again, context, arena);
            return -Functional.logSoftmax(scores, -1)
                    .gather(1, target.narrow(0, row, 1))
                    .item();
        }
    }
}
