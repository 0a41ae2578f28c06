package org.finetune4j.train.gradient;

import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * The loss of scores against targets, and its derivative by formula: autograd would keep more copies of the scores. Both are
 * calculated in float32 at least, whatever the model computes in: bfloat16 knows the logarithm of a likely token to two
 * digits.
 */
final class TokenLoss {

    private final LossOptions options;
    private final VocabularySoftmax softmax;

    TokenLoss(LossOptions options, VocabularySoftmax softmax) {
        this.options = options;
        this.softmax = softmax;
    }

    /**
     * The sum of the tokens' losses.
     *
     * @param scores [tokens, vocabulary]
     * @param target [tokens, 1] int64
     */
    double sum(Tensor scores, Tensor target) {
        Tensor logits = exact(scores);
        return sum(logits, softmax.logProbabilities(logits), target);
    }

    private static Tensor exact(Tensor scores) {
        return scores.to(scores.dtype().atLeastFloat32());
    }

    /** The sum of the tokens' losses together with {@code d(scale * sum) / d(scores)}. */
    Gradient gradient(Tensor scores, Tensor target, double scale) {
        Tensor logits = exact(scores);
        Tensor derivative = softmax.logProbabilities(logits); // [tokens, vocabulary]
        double loss = sum(logits, derivative, target);
        Tensor normaliser = options.zLoss() == 0 ? null : normaliser(logits, derivative);
        double smoothing = options.labelSmoothing();
        // d(-log p[target]) / d(logits) = p - onehot(target)
        derivative.expInPlace();
        if (normaliser != null) {
            // d(logsumexp^2) / d(logits) = 2 logsumexp p
            derivative.mulInPlace(normaliser.mul(2 * options.zLoss()).addInPlace(1));
        }
        Tensor minusTarget = Tensors.full(smoothing - 1, derivative.dtype(), derivative.device(), target.size(0), 1);
        softmax.add(derivative, target, minusTarget);
        if (smoothing > 0) {
            derivative.addInPlace(-smoothing / softmax.words(logits.size(-1)));
        }
        return new Gradient(loss, derivative.mulInPlace(scale).to(scores.dtype()));
    }

    /**
     * A loss and where it comes from.
     *
     * @param loss not scaled
     * @param derivative [tokens, vocabulary], scaled, in the type of the scores
     */
    record Gradient(double loss, Tensor derivative) {}

    private double sum(Tensor logits, Tensor logProbabilities, Tensor target) {
        double smoothing = options.labelSmoothing();
        double loss = -(1 - smoothing)
                * softmax.gather(logProbabilities, target).sum().item();
        if (smoothing > 0) {
            loss -= smoothing * softmax.sum(logProbabilities).sum().item() / softmax.words(logits.size(-1));
        }
        if (options.zLoss() > 0) {
            loss += options.zLoss()
                    * normaliser(logits, logProbabilities).square().sum().item();
        }
        return loss;
    }

    /** {@code logsumexp(logits)}: what every score differs by from its log-probability. [tokens, 1] */
    private static Tensor normaliser(Tensor logits, Tensor logProbabilities) {
        return logits.narrow(1, 0, 1).sub(logProbabilities.narrow(1, 0, 1));
    }
}
