package org.finetune4j.train.gradient;

import java.util.OptionalDouble;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;

/**
 * Cross entropy of the next token. What it asks of a score does not depend on the others, so it goes through them once, see
 * {@link LogprobLoss} for a loss that does not.
 */
public final class LanguageModelLoss implements LossHead {

    private final LabelledRows rows;
    private final double scale;
    private final TokenLoss tokenLoss;
    private final boolean plain;

    private LanguageModelLoss(LabelledRows rows, double scale, LossOptions options) {
        this.rows = rows;
        this.scale = scale;
        this.plain = options.equals(LossOptions.crossEntropy());
        this.tokenLoss = new TokenLoss(options, rows.softmax());
    }

    /**
     * The loss of one batch: the sum over its labelled tokens times {@code scale}.
     *
     * @param network the model's layers
     * @param batch the tokens and their labels
     * @param scale 1 / labelled tokens of the whole accumulated batch makes it their mean
     * @return the head
     * @throws UserErrorException when the model is a classifier, or a label is not in its vocabulary
     */
    public static LanguageModelLoss of(DecoderModel network, Batch batch, double scale) {
        return of(network, batch, scale, LossOptions.crossEntropy());
    }

    /**
     * The same with what the options add to the cross entropy.
     *
     * @param network the model's layers
     * @param batch the tokens and their labels
     * @param scale what the sum is multiplied by
     * @param options what is added to the cross entropy
     * @return the head
     * @throws UserErrorException when the model is a classifier, or a label is not in its vocabulary
     */
    public static LanguageModelLoss of(DecoderModel network, Batch batch, double scale, LossOptions options) {
        return new LanguageModelLoss(LabelledRows.of(network, batch), scale, options);
    }

    /**
     * How many rows go through an output layer of so many words together.
     *
     * @param vocabulary the number of words
     * @return at least 1
     */
    public static long rowsAtOnce(long vocabulary) {
        return LabelledRows.atOnce(vocabulary);
    }

    /** The share of the accumulated batch's labelled tokens that are in this batch. */
    @Override
    public double share() {
        return rows.count() * scale;
    }

    @Override
    public Result apply(Tensor hiddenStates, SequenceContext context, boolean wantGradient) {
        return rows.apply(hiddenStates, context, wantGradient, scores -> {
            double[] loss = {0};
            OptionalDouble inPlace = wantGradient && plain ? scores.backwardInPlace(scale) : OptionalDouble.empty();
            if (inPlace.isPresent()) {
                return inPlace.getAsDouble() * scale;
            }
            if (wantGradient) {
                scores.backward((logits, target, start) -> {
                    TokenLoss.Gradient gradient = tokenLoss.gradient(logits, target, scale);
                    loss[0] += gradient.loss();
                    return gradient.derivative();
                });
            } else {
                scores.forEach((logits, target, start) -> loss[0] += tokenLoss.sum(logits, target));
            }
            return loss[0] * scale;
        });
    }
}
