package org.finetune4j.nn;

/**
 * A base that grows with the sequence once that is longer than the model was trained on (dynamic NTK scaling).
 *
 * @param rotaryDim how many elements of a head are rotated
 * @param theta the base up to {@code trainedContext} tokens
 * @param factor how strongly it grows
 * @param trainedContext the longest sequence of the training
 */
public record DynamicNtk(int rotaryDim, double theta, double factor, int trainedContext) implements RotaryEmbedding {

    @Override
    public RotaryFrequencies frequencies(int length) {
        double longest = Math.max(length, trainedContext);
        double stretch = factor * longest / trainedContext - (factor - 1);
        double base = theta * Math.pow(stretch, rotaryDim / (rotaryDim - 2.0));
        return RotaryFrequencies.standard(rotaryDim, base);
    }

    @Override
    public int regime(int length) {
        return Math.max(length, trainedContext);
    }
}
