package org.finetune4j.train.gradient;

import java.util.Map;
import java.util.function.Function;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * A loss of the log-probabilities of labelled tokens. A first sweep over the rows gives all of them, some at a time; the loss
 * says how it changes with each; a second sweep pushes that back. Scores are calculated twice and never exist as a whole.
 */
public final class LogprobLoss implements LossHead {

    /**
     * A loss and its derivative.
     *
     * @param loss not scaled
     * @param derivative d(loss) / d(log-probability), in the order of the tokens
     * @param metrics what is worth reporting besides, by name
     */
    public record Value(double loss, double[] derivative, Map<String, Average> metrics) {

        /**
         * A loss that has nothing to report besides.
         *
         * @param loss not scaled
         * @param derivative d(loss) / d(log-probability), in the order of the tokens
         */
        public Value(double loss, double[] derivative) {
            this(loss, derivative, Map.of());
        }
    }

    private final LabelledRows rows;
    private final double scale;
    private final long counted;
    private final Function<TokenLogprobs, Value> loss;
    private Map<String, Average> metrics = Map.of();

    private LogprobLoss(LabelledRows rows, double scale, long counted, Function<TokenLogprobs, Value> loss) {
        this.rows = rows;
        this.scale = scale;
        this.counted = counted;
        this.loss = loss;
    }

    /**
     * The loss of one batch.
     *
     * @param network the model's layers
     * @param batch the tokens and their labels
     * @param scale what the loss is multiplied by
     * @param loss of all labelled tokens together
     * @return the head
     * @throws org.finetune4j.UserErrorException when the model is a classifier, or a label is not in its vocabulary
     */
    public static LogprobLoss of(DecoderModel network, Batch batch, double scale, Function<TokenLogprobs, Value> loss) {
        return of(network, batch, scale, batch.labelledTokens(), loss);
    }

    /**
     * The loss of one batch that counts something else than its labelled tokens.
     *
     * @param network the model's layers
     * @param batch the tokens and their labels
     * @param scale what the loss is multiplied by
     * @param counted what the batch counts, such as its sequences or its pairs
     * @param loss of all labelled tokens together
     * @return the head
     * @throws org.finetune4j.UserErrorException when the model is a classifier, or a label is not in its vocabulary
     */
    public static LogprobLoss of(
            DecoderModel network, Batch batch, double scale, long counted, Function<TokenLogprobs, Value> loss) {
        return new LogprobLoss(LabelledRows.of(network, batch), scale, counted, loss);
    }

    @Override
    public double share() {
        return counted * scale;
    }

    @Override
    public Map<String, Average> metrics() {
        return metrics;
    }

    @Override
    public Result apply(Tensor hiddenStates, SequenceContext context, boolean wantGradient) {
        return rows.apply(hiddenStates, context, wantGradient, scores -> {
            double[] values = new double[rows.count()];
            scores.forEach((logits, target, start) -> {
                double[] piece =
                        logprobs(logits).gather(1, target).to(DType.FLOAT64).toDoubleArray();
                System.arraycopy(piece, 0, values, start, piece.length);
            });
            Value value = loss.apply(rows.logprobs(values));
            metrics = value.metrics();
            if (wantGradient) {
                scores.backward((logits, target, start) -> derivative(logits, target, start, value.derivative()));
            }
            return value.loss() * scale;
        });
    }

    private static Tensor logprobs(Tensor logits) {
        return Functional.logSoftmax(logits.to(logits.dtype().atLeastFloat32()), -1); // [tokens, vocabulary]
    }

    /** d(log p[target]) / d(logits) = onehot(target) - p, times what the loss asks for: [tokens, vocabulary]. */
    private Tensor derivative(Tensor logits, Tensor target, int start, double[] all) {
        int count = Math.toIntExact(target.size(0));
        double[] own = new double[count];
        for (int i = 0; i < count; i++) {
            own[i] = all[start + i] * scale;
        }
        Tensor probabilities = logprobs(logits).expInPlace();
        Tensor wanted = Tensors.of(own, count, 1).to(probabilities.dtype()).to(logits.device()); // [tokens, 1]
        return probabilities
                .mulInPlace(wanted.neg())
                .scatterAddInPlace(1, target, wanted)
                .to(logits.dtype());
    }
}
