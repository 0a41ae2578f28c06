package org.finetune4j.train.gradient;

import java.util.Arrays;
import java.util.function.Function;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.ValueHead;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * A loss of what a policy says about labelled tokens: how likely each is at the temperature that it was drawn at, how undecided
 * the policy was, and, with a value head, how much reward it expected before the token. As with {@link LogprobLoss}, scores of the
 * whole vocabulary exist for some tokens at a time only.
 */
public final class PolicyLoss implements LossHead {

    /**
     * What a policy says about a batch, in the order of the tokens.
     *
     * @param logprobs how likely each token is
     * @param entropies of the distribution that each comes from, in nats
     * @param values of the value head before each; empty without one
     */
    public record Outputs(TokenLogprobs logprobs, double[] entropies, double[] values) {}

    /**
     * A loss and its derivative, in the order of the tokens; an empty array is one of zeros.
     *
     * @param loss not scaled
     * @param logprobs d(loss) / d(log-probability)
     * @param entropies d(loss) / d(entropy)
     * @param values d(loss) / d(value)
     */
    public record Value(double loss, double[] logprobs, double[] entropies, double[] values) {}

    private final LabelledRows rows;
    private final double scale;
    private final double temperature;
    private final @Nullable ValueHead valueHead;
    private final Function<Outputs, Value> loss;

    /**
     * The loss of one batch.
     *
     * @param network the model's layers
     * @param batch the tokens and their labels
     * @param scale what the loss is multiplied by
     * @param temperature what scores are divided by
     * @param valueHead estimates rewards from the last hidden states, or null
     * @param loss of all labelled tokens together
     * @throws org.finetune4j.UserErrorException when the model is a classifier, or a label is not in its vocabulary
     */
    public PolicyLoss(
            DecoderModel network,
            Batch batch,
            double scale,
            double temperature,
            @Nullable ValueHead valueHead,
            Function<Outputs, Value> loss) {
        this.rows = LabelledRows.of(network, batch);
        this.scale = scale;
        this.temperature = temperature;
        this.valueHead = valueHead;
        this.loss = loss;
    }

    @Override
    public double share() {
        return rows.count() * scale;
    }

    @Override
    public Result apply(Tensor hiddenStates, SequenceContext context, boolean wantGradient) {
        return rows.apply(hiddenStates, context, wantGradient, scores -> {
            double[] logprobs = new double[rows.count()];
            double[] entropies = new double[rows.count()];
            scores.forEach((logits, target, start) -> {
                Tensor all = logprobs(logits);
                copy(all.gather(1, target), logprobs, start);
                copy(entropies(all), entropies, start);
            });
            double[] values = valueHead == null ? new double[0] : scores.estimates(valueHead);
            Value value = loss.apply(new Outputs(rows.logprobs(logprobs), entropies, values));
            if (wantGradient) {
                if (!isZero(value.logprobs()) || !isZero(value.entropies())) {
                    scores.backward((logits, target, start) -> derivative(logits, target, start, value));
                }
                if (valueHead != null && !isZero(value.values())) {
                    scores.backward(valueHead, scaled(value.values()));
                }
            }
            return value.loss() * scale;
        });
    }

    private static void copy(Tensor numbers, double[] into, int start) {
        double[] piece = numbers.to(DType.FLOAT64).toDoubleArray();
        System.arraycopy(piece, 0, into, start, piece.length);
    }

    private Tensor logprobs(Tensor logits) {
        Tensor wide = logits.to(logits.dtype().atLeastFloat32());
        return Functional.logSoftmax(temperature == 1 ? wide : wide.div(temperature), -1); // [tokens, vocabulary]
    }

    /** [tokens, vocabulary] to [tokens, 1]. */
    private static Tensor entropies(Tensor logprobs) {
        return logprobs.exp().mulInPlace(logprobs).sum(-1, true).neg();
    }

    /**
     * d(log p[target]) / d(score) = onehot(target) - p, and d(entropy) / d(score) = -p (log p + entropy), times what the loss asks
     * for: [tokens, vocabulary].
     */
    private Tensor derivative(Tensor logits, Tensor target, int start, Value value) {
        Tensor logprobs = logprobs(logits);
        Tensor wanted = column(value.logprobs(), target, start, logprobs); // [tokens, 1]
        Tensor factor = wanted.neg();
        if (!isZero(value.entropies())) {
            Tensor undecided = column(value.entropies(), target, start, logprobs);
            factor = factor.sub(logprobs.add(entropies(logprobs)).mulInPlace(undecided)); // [tokens, vocabulary]
        }
        return logprobs.exp()
                .mulInPlace(factor)
                .scatterAddInPlace(1, target, wanted)
                .to(logits.dtype());
    }

    private Tensor column(double[] all, Tensor target, int start, Tensor like) {
        int count = Math.toIntExact(target.size(0));
        double[] own = new double[count];
        for (int i = 0; i < count && all.length > 0; i++) {
            own[i] = all[start + i] * scale / temperature;
        }
        return Tensors.of(own, count, 1).to(like.dtype()).to(like.device());
    }

    private double[] scaled(double[] values) {
        return Arrays.stream(values).map(value -> value * scale).toArray();
    }

    private static boolean isZero(double[] values) {
        return Arrays.stream(values).allMatch(value -> value == 0);
    }
}
