package org.finetune4j.train.gradient;

import java.util.function.Predicate;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.Pooling;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * The loss of a classifier of sequences. As in transformers it is one of three: cross entropy of one class, squared error of
 * numbers, or the binary cross entropy of several labels that can hold at once.
 */
public final class ClassificationLoss implements LossHead {

    /** What the labels mean, {@code problem_type} in a configuration. */
    private enum Problem {
        SINGLE_LABEL,
        REGRESSION,
        MULTI_LABEL
    }

    private final DecoderModel network;
    private final int[] rows;
    private final Problem problem;
    private final float[] targets;
    private final double scale;

    private ClassificationLoss(
            DecoderModel network, ModelInputs inputs, Problem problem, float[] targets, int perRow, double scale) {
        Pooling pooling = network.pooling();
        if (pooling == null) {
            throw new UserErrorException("this model is no classifier of sequences");
        }
        if (targets.length != inputs.batchSize() * perRow) {
            throw new UserErrorException(
                    targets.length + " labels for " + inputs.batchSize() + " sequences, each of which has " + perRow);
        }
        this.network = network;
        this.problem = problem;
        this.targets = targets;
        this.scale = scale;
        this.rows = pooling.tokens(inputs);
        for (int row = 0; row < rows.length; row++) {
            rows[row] += row * inputs.sequenceLength();
        }
    }

    /**
     * Cross entropy of one class a sequence, summed and multiplied by {@code scale}.
     *
     * @param network with a classification head
     * @param inputs one row a sequence
     * @param labels the class of every sequence
     * @param scale 1 / sequences makes it their mean
     * @return the end of the chain
     */
    public static ClassificationLoss singleLabel(DecoderModel network, ModelInputs inputs, int[] labels, double scale) {
        long classes = network.outputLayer().outFeatures();
        float[] targets = new float[labels.length];
        for (int i = 0; i < labels.length; i++) {
            if (labels[i] < 0 || labels[i] >= classes) {
                throw new UserErrorException("label " + labels[i] + " (sequence " + i
                        + ") is out of range: the model tells apart 0 to " + (classes - 1));
            }
            targets[i] = labels[i];
        }
        return new ClassificationLoss(network, inputs, Problem.SINGLE_LABEL, targets, 1, scale);
    }

    /**
     * Squared error of the model's outputs, the mean over them summed over sequences and multiplied by {@code scale}.
     *
     * @param network with a classification head
     * @param inputs one row a sequence
     * @param targets row-major [sequences, labels]
     * @param scale 1 / sequences makes it their mean
     * @return the end of the chain
     */
    public static ClassificationLoss regression(
            DecoderModel network, ModelInputs inputs, float[] targets, double scale) {
        require(targets, "a number was expected", Float::isFinite);
        return new ClassificationLoss(network, inputs, Problem.REGRESSION, targets, outputs(network), scale);
    }

    /**
     * Binary cross entropy of every label, the mean over them summed over sequences and multiplied by {@code scale}.
     *
     * @param network with a classification head
     * @param inputs one row a sequence
     * @param targets row-major [sequences, labels], 1 where the label holds and 0 where not
     * @param scale 1 / sequences makes it their mean
     * @return the end of the chain
     */
    public static ClassificationLoss multiLabel(
            DecoderModel network, ModelInputs inputs, float[] targets, double scale) {
        require(targets, "0 to 1 was expected", target -> target >= 0 && target <= 1);
        return new ClassificationLoss(network, inputs, Problem.MULTI_LABEL, targets, outputs(network), scale);
    }

    private static void require(float[] targets, String expected, Predicate<Float> accepted) {
        for (int i = 0; i < targets.length; i++) {
            if (!accepted.test(targets[i])) {
                throw new UserErrorException(
                        "target " + targets[i] + " (number " + i + ") is out of range: " + expected);
            }
        }
    }

    private static int outputs(DecoderModel network) {
        return (int) network.outputLayer().outFeatures();
    }

    @Override
    public Result apply(Tensor hiddenStates, SequenceContext context, boolean wantGradient) {
        long hidden = hiddenStates.size(-1);
        Tensor flat = hiddenStates.reshape(-1, hidden); // [batch * seq, hidden]
        try (Autograd.Mode mode = wantGradient ? Autograd.enabled() : Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor index = Tensors.of(rows, rows.length).to(flat.device()); // [batch]
            Tensor selected = flat.indexSelect(0, index).detach(); // [batch, hidden]
            if (wantGradient) {
                selected.requiresGrad(true);
            }
            SequenceContext tokens = context.withoutRows();
            Tensor logits = network.logits(network.finalNorm(selected, tokens), tokens); // [batch, labels]
            Tensor loss = loss(logits.to(logits.dtype().atLeastFloat32())).mul(scale);
            if (!wantGradient) {
                return new Result(loss.item(), null);
            }
            Autograd.backward(loss);
            Tensor gradient = selected.grad();
            Tensor hiddenGradient = scope.keep(Tensors.zeros(flat.dtype(), flat.device(), hiddenStates.shape()));
            if (gradient != null) {
                hiddenGradient.view(-1, hidden).indexAddInPlace(0, index, gradient);
            }
            return new Result(loss.item(), hiddenGradient);
        }
    }

    private Tensor loss(Tensor logits) {
        long batch = logits.size(0);
        Tensor target = Tensors.of(targets, batch, targets.length / batch).to(logits.device());
        return switch (problem) {
            case SINGLE_LABEL ->
                Functional.logSoftmax(logits, -1)
                        .gather(1, target.to(DType.INT64))
                        .sum()
                        .neg();
            case REGRESSION -> logits.sub(target).square().mean(-1, false).sum();
            // max(x, 0) - x y + log(1 + exp(-|x|)) does not overflow.
            case MULTI_LABEL ->
                Functional.relu(logits)
                        .sub(logits.mul(target))
                        .add(logits.abs().neg().exp().add(1).log())
                        .mean(-1, false)
                        .sum();
        };
    }
}
