package org.finetune4j.train.gradient;

import java.util.Arrays;
import java.util.function.UnaryOperator;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Portion;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * A loss of what a classifier of sequences says about them: the scores of its labels at the token that speaks for each
 * sequence. In how many rows of the batch the sequences lie does not matter.
 */
public final class PooledLoss implements LossHead {

    private final DecoderModel network;
    private final int[] tokens;
    private final double scale;
    private final double share;
    private final UnaryOperator<Tensor> loss;

    private PooledLoss(DecoderModel network, int[] tokens, double scale, double share, UnaryOperator<Tensor> loss) {
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
            Tensor index = Tensors.of(tokens, tokens.length).to(flat.device()); // [sequences]
            Tensor selected = flat.indexSelect(0, index).detach(); // [sequences, hidden]
            if (wantGradient) {
                selected.requiresGrad(true);
            }
            Portion pooled =
                    Portion.ofTokens(Arrays.stream(tokens).asLongStream().toArray(), flat.size(0));
            SequenceContext alone =
                    context.withoutRows().withDropout(context.dropout().ofPortion(pooled));
            Tensor logits = network.logits(network.finalNorm(selected, alone), alone); // [sequences, labels]
            Tensor value =
                    loss.apply(logits.to(logits.dtype().atLeastFloat32())).mul(scale);
            if (!wantGradient) {
                return new Result(value.item(), null);
            }
            Autograd.backward(value);
            Tensor gradient = selected.grad();
            Tensor hiddenGradient = scope.keep(Tensors.zeros(flat.dtype(), flat.device(), hiddenStates.shape()));
            if (gradient != null) {
                hiddenGradient.view(-1, hidden).indexAddInPlace(0, index, gradient);
            }
            return new Result(value.item(), hiddenGradient);
        }
    }
}
