package org.finetune4j.train.gradient;

import java.util.Arrays;
import java.util.Map;
import java.util.function.Function;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.ValueHead;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * A loss of what a policy says about labelled tokens: how likely each is at the temperature that it was drawn at, how undecided
 * the policy was, and, with a value head, how much reward it expected before the token. As with {@link LogprobLoss}, scores of the
 * whole vocabulary exist for some tokens at a time only, and are calculated once where the output layer does not train.
 */
public final class PolicyLoss implements LossHead {

    /** What is looked at besides the value head's estimates. */
    public enum Detail {
        /** Nothing: no scores of the vocabulary are calculated, log-probabilities are 0, and entropies are none. */
        VALUES,
        /** Log-probabilities; entropies are none. */
        LOGPROBS,
        /** Log-probabilities, and entropies that the loss does not depend on. */
        MEASURED_ENTROPIES,
        /** Log-probabilities and entropies, and the loss may depend on both. */
        ENTROPIES
    }

    /**
     * What a policy says about a batch, in the order of the tokens.
     *
     * @param logprobs how likely each token is
     * @param entropies of the distribution that each comes from, in nats; empty where they were not asked for
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
     * @param metrics what was measured besides, by name
     */
    public record Value(
            double loss, double[] logprobs, double[] entropies, double[] values, Map<String, Average> metrics) {

        /**
         * A loss beside which nothing was measured.
         *
         * @param loss not scaled
         * @param logprobs d(loss) / d(log-probability)
         * @param entropies d(loss) / d(entropy)
         * @param values d(loss) / d(value)
         */
        public Value(double loss, double[] logprobs, double[] entropies, double[] values) {
            this(loss, logprobs, entropies, values, Map.of());
        }
    }

    private final LabelledRows rows;
    private final double scale;
    private final double temperature;
    private final @Nullable ValueHead valueHead;
    private final Detail detail;
    private final Function<Outputs, Value> loss;
    private Map<String, Average> metrics = Map.of();

    /**
     * The loss of one batch that may depend on all outputs.
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
        this(network, batch, scale, temperature, valueHead, Detail.ENTROPIES, loss);
    }

    /**
     * The loss of one batch.
     *
     * @param network the model's layers
     * @param batch the tokens and their labels
     * @param scale what the loss is multiplied by
     * @param temperature what scores are divided by
     * @param valueHead estimates rewards from the last hidden states, or null
     * @param detail what the loss looks at
     * @param loss of all labelled tokens together
     * @throws org.finetune4j.UserErrorException when the model is a classifier, or a label is not in its vocabulary
     */
    public PolicyLoss(
            DecoderModel network,
            Batch batch,
            double scale,
            double temperature,
            @Nullable ValueHead valueHead,
            Detail detail,
            Function<Outputs, Value> loss) {
        this.rows = LabelledRows.of(network, batch);
        this.scale = scale;
        this.temperature = temperature;
        this.valueHead = valueHead;
        this.detail = detail;
        this.loss = loss;
    }

    @Override
    public double share() {
        return rows.count() * scale;
    }

    @Override
    public Map<String, Average> metrics() {
        return metrics;
    }

    @Override
    public Result apply(Tensor hiddenStates, SequenceContext context, boolean wantGradient) {
        return rows.apply(hiddenStates, context, wantGradient, scores -> {
            double[] logprobs = new double[rows.count()];
            double[] entropies = new double[detail.compareTo(Detail.MEASURED_ENTROPIES) >= 0 ? rows.count() : 0];
            boolean once = wantGradient
                    && (detail == Detail.LOGPROBS || detail == Detail.MEASURED_ENTROPIES)
                    && scores.areFixed();
            if (once) {
                scores.backward((logits, target, start) -> {
                    Tensor all = logprobs(logits);
                    copy(rows.softmax().gather(all, target), logprobs, start);
                    boolean measures = entropies.length > 0;
                    Tensor probabilities = measures ? all.exp() : all.expInPlace();
                    if (measures) {
                        copy(entropies(all, probabilities), entropies, start);
                    }
                    Tensor one = Tensors.ones(all.dtype(), all.device(), target.shape());
                    return LogprobLoss.derivative(rows.softmax(), probabilities, target, one)
                            .to(logits.dtype());
                });
            } else if (detail != Detail.VALUES) {
                scores.forEach((logits, target, start) -> {
                    Tensor all = logprobs(logits);
                    copy(rows.softmax().gather(all, target), logprobs, start);
                    if (entropies.length > 0) {
                        copy(entropies(all, all.exp()), entropies, start);
                    }
                });
            }
            double[] values = valueHead == null ? new double[0] : scores.estimates(valueHead);
            Value value = loss.apply(new Outputs(rows.logprobs(logprobs), entropies, values));
            metrics = value.metrics();
            if (wantGradient) {
                if (once) {
                    requireNone(value.entropies());
                    scores.scale(scaled(
                            value.logprobs().length == 0 ? new double[rows.count()] : value.logprobs(),
                            scale / temperature));
                } else if (!isZero(value.logprobs()) || !isZero(value.entropies())) {
                    scores.backward((logits, target, start) -> derivative(logits, target, start, value));
                }
                if (valueHead != null && !isZero(value.values())) {
                    scores.backward(valueHead, scaled(value.values(), scale));
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
        return rows.softmax().logProbabilities(temperature == 1 ? wide : wide.div(temperature)); // [tokens, vocabulary]
    }

    /** [tokens, vocabulary] twice to [tokens, 1], in the memory of the logarithms. */
    private Tensor entropies(Tensor logprobs, Tensor probabilities) {
        return rows.softmax().sum(logprobs.mulInPlace(probabilities)).neg();
    }

    /**
     * d(log p[target]) / d(score) = onehot(target) - p, and d(entropy) / d(score) = -p (log p + entropy), times what the loss asks
     * for: [tokens, vocabulary].
     */
    private Tensor derivative(Tensor logits, Tensor target, int start, Value value) {
        Tensor logprobs = logprobs(logits);
        Tensor wanted = column(value.logprobs(), target, start, logprobs); // [tokens, 1]
        if (isZero(value.entropies())) {
            return LogprobLoss.derivative(rows.softmax(), logprobs.expInPlace(), target, wanted)
                    .to(logits.dtype());
        }
        Tensor probabilities = logprobs.exp();
        Tensor undecided = column(value.entropies(), target, start, logprobs);
        Tensor entropies = rows.softmax().sum(probabilities.mul(logprobs)).neg(); // [tokens, 1]
        Tensor factor = logprobs.addInPlace(entropies).mulInPlace(undecided).addInPlace(wanted); // [tokens, vocabulary]
        return rows.softmax()
                .add(probabilities.mulInPlace(factor.neg()), target, wanted)
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

    private static double[] scaled(double[] values, double factor) {
        return Arrays.stream(values).map(value -> value * factor).toArray();
    }

    private static void requireNone(double[] entropies) {
        if (!isZero(entropies)) {
            throw new IllegalStateException("the loss was not to depend on entropies");
        }
    }

    private static boolean isZero(double[] values) {
        return Arrays.stream(values).allMatch(value -> value == 0);
    }
}
