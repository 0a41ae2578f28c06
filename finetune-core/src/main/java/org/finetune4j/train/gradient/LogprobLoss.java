package org.finetune4j.train.gradient;

import java.util.Arrays;
import java.util.Map;
import java.util.function.Function;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * A loss of the log-probabilities of labelled tokens. A sweep over the rows gives all of them, some at a time; the loss says how it
 * changes with each. Where the output layer does not train, the same sweep pushes each log-probability back to its row, and what the loss says
 * is a factor; else a second sweep pushes that back. Scores never exist as a whole.
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
    private final boolean collisions;
    private final Function<TokenLogprobs, Value> loss;
    private Map<String, Average> metrics = Map.of();

    private LogprobLoss(
            LabelledRows rows, double scale, long counted, boolean collisions, Function<TokenLogprobs, Value> loss) {
        this.rows = rows;
        this.scale = scale;
        this.counted = counted;
        this.collisions = collisions;
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
        return of(network, batch, scale, counted, false, loss);
    }

    /**
     * The loss of one batch that may look at how sure the model is, too; its derivative does not.
     *
     * @param network the model's layers
     * @param batch the tokens and their labels
     * @param scale what the loss is multiplied by
     * @param counted what the batch counts, such as its sequences or its pairs
     * @param collisions whether the loss is given {@link TokenLogprobs#collisions}
     * @param loss of all labelled tokens together
     * @return the head
     * @throws org.finetune4j.UserErrorException when the model is a classifier, or a label is not in its vocabulary
     */
    public static LogprobLoss of(
            DecoderModel network,
            Batch batch,
            double scale,
            long counted,
            boolean collisions,
            Function<TokenLogprobs, Value> loss) {
        return new LogprobLoss(LabelledRows.of(network, batch), scale, counted, collisions, loss);
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
        Result result = rows.apply(hiddenStates, context, wantGradient, scores -> {
            double[] values = new double[rows.count()];
            double[] same = new double[collisions ? values.length : 0];
            VocabularySoftmax softmax = rows.softmax();
            boolean once = wantGradient && scores.areFixed();
            if (once) {
                scores.backward((logits, target, start) -> {
                    Tensor all = logprobs(logits, softmax);
                    copy(softmax.gather(all, target), values, start);
                    Tensor probabilities = all.expInPlace();
                    if (collisions) {
                        copy(collisions(softmax, probabilities), same, start);
                    }
                    return derivative(
                                    softmax,
                                    probabilities,
                                    target,
                                    Tensors.ones(all.dtype(), all.device(), target.shape()))
                            .to(logits.dtype());
                });
            } else {
                scores.forEach((logits, target, start) -> {
                    Tensor all = logprobs(logits, softmax);
                    copy(softmax.gather(all, target), values, start);
                    if (collisions) {
                        copy(collisions(softmax, all.expInPlace()), same, start);
                    }
                });
            }
            Value value = loss.apply(rows.logprobs(values, same));
            metrics = value.metrics();
            double[] wanted = Arrays.stream(value.derivative())
                    .map(derivative -> derivative * scale)
                    .toArray();
            if (once) {
                scores.scale(wanted);
            } else if (wantGradient) {
                scores.backward((logits, target, start) -> {
                    Tensor all = logprobs(logits, softmax);
                    double[] own = Arrays.copyOfRange(wanted, start, start + Math.toIntExact(target.size(0)));
                    Tensor column =
                            Tensors.of(own, own.length, 1).to(all.dtype()).to(all.device());
                    return derivative(softmax, all.expInPlace(), target, column).to(logits.dtype());
                });
            }
            return value.loss() * scale;
        });
        return rows.count() > 0 ? result : new Result(ofNoToken(), result.hiddenGradient());
    }

    /** Answers that are alike have a loss, too, though none of their tokens tells them apart. */
    private double ofNoToken() {
        Value value = loss.apply(rows.logprobs(new double[0]));
        metrics = value.metrics();
        return value.loss() * scale;
    }

    /** The logarithm of the sum of squares: [tokens, vocabulary] to [tokens, 1]. */
    private static Tensor collisions(VocabularySoftmax softmax, Tensor probabilities) {
        return softmax.sum(probabilities.mul(probabilities)).log();
    }

    /** @param numbers [tokens, 1] */
    private static void copy(Tensor numbers, double[] into, int start) {
        double[] piece = numbers.to(DType.FLOAT64).toDoubleArray();
        System.arraycopy(piece, 0, into, start, piece.length);
    }

    private static Tensor logprobs(Tensor logits, VocabularySoftmax softmax) {
        return softmax.logProbabilities(logits.to(logits.dtype().atLeastFloat32())); // [tokens, vocabulary]
    }

    /**
     * d(log p[target]) / d(logits) = onehot(target) - p, times what is wanted [tokens, 1]: [tokens, vocabulary], in the memory of the
     * probabilities.
     */
    static Tensor derivative(VocabularySoftmax softmax, Tensor probabilities, Tensor target, Tensor wanted) {
        return softmax.add(probabilities.mulInPlace(wanted.neg()), target, wanted);
    }
}
