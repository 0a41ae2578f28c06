package org.finetune4j.train.objective;

import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ProblemType;
import org.finetune4j.train.gradient.ClassificationLoss;

/**
 * The loss of a classifier of sequences, the mean over sequences. Every sample says what it is in the column {@value #COLUMN}.
 *
 * @param problem what the labels mean
 */
public record Classification(ProblemType problem) implements Objective {

    /** The column of a sample's labels. */
    public static final String COLUMN = "label";

    @Override
    public boolean isSumOverRows(Batch batch) {
        return true;
    }

    @Override
    public long count(Batch batch) {
        return batch.batchSize();
    }

    @Override
    public boolean teaches(Sample sample) {
        return sample.columns().containsKey(COLUMN);
    }

    @Override
    public ClassificationLoss head(DecoderModel network, Batch batch, double scale) {
        float[][] labels = batch.column(COLUMN);
        float[] all = flattened(labels);
        return switch (problem) {
            case SINGLE_LABEL_CLASSIFICATION ->
                ClassificationLoss.singleLabel(network, batch.modelInputs(), classes(all), scale);
            case REGRESSION -> ClassificationLoss.regression(network, batch.modelInputs(), all, scale);
            case MULTI_LABEL_CLASSIFICATION -> ClassificationLoss.multiLabel(network, batch.modelInputs(), all, scale);
        };
    }

    /**
     * What held-out sequences are measured by.
     *
     * @return scores by name, beside the loss
     */
    public List<Score> scores() {
        return ClassificationMeasurement.scores(problem);
    }

    @Override
    public Measurement measurement() {
        return new ClassificationMeasurement(this);
    }

    private static float[] flattened(float[][] rows) {
        int each = rows[0].length;
        float[] all = new float[rows.length * each];
        for (int row = 0; row < rows.length; row++) {
            if (rows[row].length != each) {
                throw new UserErrorException("sequence " + row + " has " + rows[row].length + " labels, sequence 0 has "
                        + each + ": every sequence has as many");
            }
            System.arraycopy(rows[row], 0, all, row * each, each);
        }
        return all;
    }

    private static int[] classes(float[] labels) {
        int[] classes = new int[labels.length];
        for (int i = 0; i < labels.length; i++) {
            classes[i] = (int) labels[i];
            if (classes[i] != labels[i]) {
                throw new UserErrorException(
                        "label " + labels[i] + " (sequence " + i + ") is not the number of a class");
            }
        }
        return classes;
    }
}
