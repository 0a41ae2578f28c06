package org.finetune4j.train.gradient;

import java.util.Arrays;
import java.util.function.UnaryOperator;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.PooledTokens;
import org.finetune4j.nn.Portion;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * A loss of what a classifier of sequences says about them: the scores of its labels at the token that speaks for each
 * sequence, or at the average of several. In how many rows of the batch the sequences lie does not matter.
 */
public final class PooledLoss implements LossHead {

    private final DecoderModel network;
    private final PooledTokens tokens;
    private final double scale;
    private final double share;
    private final UnaryOperator<Tensor> loss;

    private PooledLoss(
            DecoderModel network, PooledTokens tokens, double scale, double share, UnaryOperator<Tensor> loss) {
        this.network = network;
        this.tokens = tokens;
        this.scale = scale;
        this.share = share;
        this.loss = loss;
    }

    /**
     * The loss of one batch.
     *
     * @param network with a classification head
     * @param tokens of every sequence the one that speaks for it, counted through the batch row after row
     * @param scale what the loss is multiplied by
     * @param counted what the batch counts, such as its sequences or its pairs
     * @param loss from the scores [sequences, labels], in float32 at least, to one number, by operations that can be
     *     differentiated
     * @return the head
     * @throws UserErrorException when the model is no classifier
     */
    public static PooledLoss of(
            DecoderModel network, int[] tokens, double scale, long counted, UnaryOperator<Tensor> loss) {
        return of(network, PooledTokens.single(tokens), scale, counted, loss);
    }

    /**
     * The loss of one batch, for each of whose sequences one or several tokens speak.
     *
     * @param network with a classification head
     * @param tokens of every sequence those that speak for it
     * @param scale what the loss is multiplied by
     * @param counted what the batch counts, such as its sequences
     * @param loss from the scores [sequences, labels], in float32 at least, to one number, by operations that can be
     *     differentiated
     * @return the head
     * @throws UserErrorException when the model is no classifier
     */
    public static PooledLoss of(
            DecoderModel network, PooledTokens tokens, double scale, long counted, UnaryOperator<Tensor> loss) {
        if (network.pooling() == null) {
            throw new UserErrorException("this model is no classifier of sequences");
        }
        return new PooledLoss(network, tokens, scale, counted * scale, loss);
    }

    @Override
    public double share() {
        return share;
    }

    @Override
    public Result apply(Tensor hiddenStates, SequenceContext context, boolean wantGradient) {
        long hidden = hiddenStates.size(-1);
        Tensor flat = hiddenStates.reshape(-1, hidden); // [batch * seq, hidden]
        try (Autograd.Mode mode = wantGradient ? Autograd.enabled() : Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor selected = tokens.of(flat).detach(); // [tokens, hidden]
            if (wantGradient) {
                selected.requiresGrad(true);
            }
            long[] places = Arrays.stream(tokens.places()).asLongStream().toArray();
            Tensor normalised = network.finalNorm(selected, alone(context, places, flat.size(0)));
            Tensor pooled = tokens.averaged(normalised); // [sequences, hidden]
            Tensor logits = network.logits(pooled, alone(context, tokens.first(), flat.size(0))); // [sequences, labels]
            Tensor value =
                    loss.apply(logits.to(logits.dtype().atLeastFloat32())).mul(scale);
            if (!wantGradient) {
                return new Result(value.item(), null);
            }
            Autograd.backward(value);
            Tensor gradient = selected.grad();
            Tensor hiddenGradient = scope.keep(Tensors.zeros(flat.dtype(), flat.device(), hiddenStates.shape()));
            if (gradient != null) {
                Tensor index = Tensors.of(places, places.length).to(flat.device()); // [tokens]
                hiddenGradient.view(-1, hidden).indexAddInPlace(0, index, gradient);
            }
            return new Result(value.item(), hiddenGradient);
        }
    }

    /** What is known about states that were taken out of a batch, at these places of all. */
    private static SequenceContext alone(SequenceContext context, long[] places, long all) {
        return context.withoutRows().withDropout(context.dropout().ofPortion(Portion.ofTokens(places, all)));
    }
}
