package org.finetune4j.train.gradient;

import java.util.function.Consumer;
import java.util.function.Predicate;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.PooledTokens;
import org.finetune4j.model.Pooling;
import org.finetune4j.model.ProblemType;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * The loss of a classifier of sequences. As in transformers it is one of three: cross entropy of one class, squared error of
 * numbers, or the binary cross entropy of several labels that can hold at once.
 */
public final class ClassificationLoss implements LossHead {

    private final DecoderModel network;
    private final Pooling pooling;
    private final ModelInputs inputs;
    private final ProblemType problem;
    private final float[] targets;
    private final double scale;
    private final Consumer<float[]> listener;

    private ClassificationLoss(
            DecoderModel network,
            Pooling pooling,
            ModelInputs inputs,
            ProblemType problem,
            float[] targets,
            double scale,
            Consumer<float[]> listener) {
        this.network = network;
        this.pooling = pooling;
        this.inputs = inputs;
        this.problem = problem;
        this.targets = targets;
        this.scale = scale;
        this.listener = listener;
    }

    private static ClassificationLoss of(
            DecoderModel network, ModelInputs inputs, ProblemType problem, float[] targets, int perRow, double scale) {
        Pooling pooling = network.pooling();
        if (pooling == null) {
            throw new UserErrorException("this model is no classifier of sequences");
        }
        if (targets.length != inputs.batchSize() * perRow) {
            throw new UserErrorException(
                    targets.length + " labels for " + inputs.batchSize() + " sequences, each of which has " + perRow);
        }
        return new ClassificationLoss(network, pooling, inputs, problem, targets, scale, logits -> {});
    }

    /**
     * The same loss, which tells what the model says.
     *
     * @param told is given the scores, row-major [sequences, labels]
     * @return another head
     */
    public ClassificationLoss telling(Consumer<float[]> told) {
        return new ClassificationLoss(network, pooling, inputs, problem, targets, scale, told);
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
        return of(network, inputs, ProblemType.SINGLE_LABEL_CLASSIFICATION, targets, 1, scale);
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
        return of(network, inputs, ProblemType.REGRESSION, targets, outputs(network), scale);
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
        return of(network, inputs, ProblemType.MULTI_LABEL_CLASSIFICATION, targets, outputs(network), scale);
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
    public double share() {
        return inputs.batchSize() * scale;
    }

    @Override
    public Result apply(Tensor hiddenStates, SequenceContext context, boolean wantGradient) {
        PooledTokens tokens = pooling.places(inputs, Math.toIntExact(hiddenStates.size(1)));
        return PooledLoss.of(network, tokens, scale, tokens.sequences(), logits -> {
                    listener.accept(logits.detach().to(DType.FLOAT32).toFloatArray());
                    return loss(logits);
                })
                .apply(hiddenStates, context, wantGradient);
    }

    private Tensor loss(Tensor logits) {
        long batch = logits.size(0);
        Tensor target = Tensors.of(targets, batch, targets.length / batch).to(logits.device());
        return switch (problem) {
            case SINGLE_LABEL_CLASSIFICATION ->
                Functional.logSoftmax(logits, -1)
                        .gather(1, target.to(DType.INT64))
                        .sum()
                        .neg();
            case REGRESSION -> logits.sub(target).square().mean(-1, false).sum();
            // max(x, 0) - x y + log(1 + exp(-|x|)) does not overflow.
            case MULTI_LABEL_CLASSIFICATION ->
                Functional.relu(logits)
                        .sub(logits.mul(target))
                        .add(logits.abs().neg().exp().add(1).log())
                        .mean(-1, false)
                        .sum();
        };
    }
}
