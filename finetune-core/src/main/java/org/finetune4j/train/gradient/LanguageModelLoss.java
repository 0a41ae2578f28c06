package org.finetune4j.train.gradient;

import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Cross entropy of the next token. Only positions that carry a label go through the output layer, some rows at a time, and
 * each piece's gradient is taken before the next piece is made: the logits of the whole batch never exist, and what a
 * label does not need is not computed.
 */
public final class LanguageModelLoss implements LossHead {

    /** Logits in memory at one time: few enough to stay small, enough to keep the matrix product efficient. */
    private static final long CHUNK_LOGITS = 16L << 20;

    private final DecoderModel network;
    private final int[] rows;
    private final int[] targets;
    private final double scale;
    private final TokenLoss tokenLoss;

    private LanguageModelLoss(DecoderModel network, int[] rows, int[] targets, double scale, LossOptions options) {
        this.network = network;
        this.rows = rows;
        this.targets = targets;
        this.scale = scale;
        this.tokenLoss = new TokenLoss(options);
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
        if (network.pooling() != null) {
            throw new UserErrorException("this model classifies sequences: it has no next token to train on");
        }
        int labelled = batch.labelledTokens();
        int[] rows = new int[labelled];
        int[] targets = new int[labelled];
        int next = 0;
        int[] labels = batch.labels();
        for (int row = 0; row < batch.batchSize(); row++) {
            for (int t = 0; t + 1 < batch.sequenceLength(); t++) {
                int at = row * batch.sequenceLength() + t;
                if (labels[at + 1] != Sample.IGNORE_INDEX) {
                    rows[next] = at;
                    targets[next++] = labels[at + 1];
                }
            }
        }
        // The next token's label stands one further than the row that foretells it.
        long vocabulary = network.outputLayer().outFeatures();
        for (int i = 0; i < labelled; i++) {
            if (targets[i] < 0 || targets[i] >= vocabulary) {
                throw new UserErrorException("label " + targets[i] + " (row " + rows[i] / batch.sequenceLength()
                        + ", position " + (rows[i] % batch.sequenceLength() + 1)
                        + ") is out of range: the model's output layer scores 0 to " + (vocabulary - 1));
            }
        }
        return new LanguageModelLoss(network, rows, targets, scale, options);
    }

    /** How many rows go through an output layer of so many words together. */
    public static long rowsAtOnce(long vocabulary) {
        return Math.max(1, CHUNK_LOGITS / vocabulary);
    }

    /** The share of the accumulated batch's labelled tokens that are in this batch. */
    @Override
    public double share() {
        return rows.length * scale;
    }

    @Override
    public Result apply(Tensor hiddenStates, boolean wantGradient) {
        long hidden = hiddenStates.size(-1);
        Tensor flat = hiddenStates.reshape(-1, hidden); // [batch * seq, hidden]
        try (TensorScope scope = TensorScope.open()) {
            if (rows.length == 0) {
                return new Result(0, wantGradient ? zerosLike(scope, flat, hiddenStates) : null);
            }
            Tensor index = Tensors.of(rows, rows.length).to(DType.INT64).to(flat.device()); // [labelled]
            Tensor target = Tensors.of(targets, rows.length, 1).to(DType.INT64).to(flat.device()); // [labelled, 1]
            Tensor selected = flat.indexSelect(0, index); // [labelled, hidden]
            if (!wantGradient) {
                try (Autograd.Mode mode = Autograd.disabled()) {
                    return new Result(lossInChunks(network.finalNorm(selected), target, null), null);
                }
            }
            try (Autograd.Mode mode = Autograd.enabled()) {
                selected = selected.detach().requiresGrad(true);
                Tensor normalised = network.finalNorm(selected); // [labelled, hidden]
                Tensor gradient = Tensors.zeros(normalised.dtype(), normalised.device(), normalised.shape());
                double loss = lossInChunks(normalised.detach(), target, gradient);
                Autograd.backward(normalised, gradient);
                Tensor hiddenGradient = zerosLike(scope, flat, hiddenStates);
                hiddenGradient.view(-1, hidden).indexAddInPlace(0, index, gradientOf(selected));
                return new Result(loss, hiddenGradient);
            }
        }
    }

    private static Tensor zerosLike(TensorScope scope, Tensor flat, Tensor hiddenStates) {
        return scope.keep(Tensors.zeros(flat.dtype(), flat.device(), hiddenStates.shape()));
    }

    /**
     * @param normalised [labelled, hidden], cut off from its graph
     * @param gradient filled with d(loss)/d(normalised), or null
     */
    private double lossInChunks(Tensor normalised, Tensor target, @Nullable Tensor gradient) {
        long vocabulary = network.outputLayer().outFeatures();
        long chunk = rowsAtOnce(vocabulary);
        double loss = 0;
        for (long start = 0; start < rows.length; start += chunk) {
            long length = Math.min(chunk, rows.length - start);
            try (TensorScope scope = TensorScope.open()) {
                Tensor chunkTarget = target.narrow(0, start, length);
                Tensor input = normalised.narrow(0, start, length).detach(); // [chunk, hidden]
                if (gradient == null) {
                    loss += tokenLoss.sum(network.logits(input), chunkTarget);
                } else {
                    input.requiresGrad(true);
                    Tensor logits = network.logits(input); // [chunk, vocabulary]
                    Tensor derivative;
                    try (Autograd.Mode mode = Autograd.disabled()) {
                        TokenLoss.Gradient step = tokenLoss.gradient(logits.detach(), chunkTarget, scale);
                        loss += step.loss();
                        derivative = step.derivative();
                    }
                    Autograd.backward(logits, derivative);
                    gradient.narrow(0, start, length).copyInPlace(gradientOf(input));
                }
            }
        }
        return loss * scale;
    }

    private static Tensor gradientOf(Tensor leaf) {
        Tensor gradient = leaf.grad();
        if (gradient == null) {
            throw new IllegalStateException("back-propagation reached no gradient for the head's input");
        }
        return gradient;
    }
}
