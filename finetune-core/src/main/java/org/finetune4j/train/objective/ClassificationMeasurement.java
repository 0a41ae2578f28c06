package org.finetune4j.train.objective;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ProblemType;
import org.finetune4j.train.gradient.LossHead;

/** How a classifier labels held-out sequences, counted by label; of one whose outputs are numbers, how far off they are. */
final class ClassificationMeasurement implements Measurement {

    private static final List<Score> OF_NUMBERS =
            List.of(new Score("mean_absolute_error", false), new Score("pearson_correlation", true));
    private static final List<Score> OF_LABELS = List.of(new Score("accuracy", true), new Score("macro_f1", true));

    private final Classification objective;
    private final Map<Integer, Counts> byLabel = new TreeMap<>();
    private final List<double[]> numbers = new ArrayList<>();
    private long sequences;
    private long right;

    ClassificationMeasurement(Classification objective) {
        this.objective = objective;
    }

    /** What is measured where the labels mean this. */
    static List<Score> scores(ProblemType problem) {
        return problem == ProblemType.REGRESSION ? OF_NUMBERS : OF_LABELS;
    }

    /** How often a label was right, said wrongly, and missed. */
    private static final class Counts {
        private long hit;
        private long wrong;
        private long missed;

        double f1() {
            return hit == 0 ? 0 : 2.0 * hit / (2 * hit + wrong + missed);
        }
    }

    @Override
    public LossHead head(DecoderModel network, Batch batch) {
        float[][] labels = batch.column(Classification.COLUMN);
        return objective.head(network, batch, 1).telling(scores -> {
            int outputs = scores.length / labels.length;
            for (int row = 0; row < labels.length; row++) {
                add(labels[row], scores, row * outputs, outputs);
            }
        });
    }

    private void add(float[] labels, float[] scores, int from, int outputs) {
        sequences++;
        switch (objective.problem()) {
            case SINGLE_LABEL_CLASSIFICATION -> {
                int said = 0;
                for (int i = 1; i < outputs; i++) {
                    said = scores[from + i] > scores[from + said] ? i : said;
                }
                int label = (int) labels[0];
                right += said == label ? 1 : 0;
                count(label, true, said == label);
                if (said != label) {
                    count(said, false, true);
                }
            }
            case MULTI_LABEL_CLASSIFICATION -> {
                boolean all = true;
                for (int i = 0; i < outputs; i++) {
                    boolean said = scores[from + i] > 0;
                    boolean holds = labels[i] >= 0.5;
                    all &= said == holds;
                    count(i, holds, said);
                }
                right += all ? 1 : 0;
            }
            case REGRESSION -> {
                for (int i = 0; i < outputs; i++) {
                    numbers.add(new double[] {labels[i], scores[from + i]});
                }
            }
        }
    }

    private void count(int label, boolean holds, boolean said) {
        Counts counts = byLabel.computeIfAbsent(label, added -> new Counts());
        counts.hit += holds && said ? 1 : 0;
        counts.wrong += !holds && said ? 1 : 0;
        counts.missed += holds && !said ? 1 : 0;
    }

    @Override
    public Map<String, Double> scores() {
        Map<String, Double> scores = new LinkedHashMap<>();
        if (objective.problem() == ProblemType.REGRESSION) {
            scores.put(
                    "mean_absolute_error",
                    numbers.stream()
                            .mapToDouble(pair -> Math.abs(pair[0] - pair[1]))
                            .average()
                            .orElse(0));
            scores.put("pearson_correlation", correlation());
            return scores;
        }
        scores.put("accuracy", right / (double) Math.max(1, sequences));
        // As scikit-learn does: the mean over the labels that occur, in the data or in what is said of it.
        scores.put(
                "macro_f1",
                byLabel.values().stream().mapToDouble(Counts::f1).average().orElse(0));
        return scores;
    }

    /** 0 where either side is always the same. */
    private double correlation() {
        double said = numbers.stream().mapToDouble(pair -> pair[1]).average().orElse(0);
        double meant = numbers.stream().mapToDouble(pair -> pair[0]).average().orElse(0);
        double both = 0;
        double ofSaid = 0;
        double ofMeant = 0;
        for (double[] pair : numbers) {
            both += (pair[0] - meant) * (pair[1] - said);
            ofMeant += (pair[0] - meant) * (pair[0] - meant);
            ofSaid += (pair[1] - said) * (pair[1] - said);
        }
        return ofSaid == 0 || ofMeant == 0 ? 0 : both / Math.sqrt(ofSaid * ofMeant);
    }

    @Override
    public List<ScoreTable> tables() {
        if (objective.problem() == ProblemType.REGRESSION) {
            return List.of();
        }
        List<List<Double>> rows = new ArrayList<>();
        byLabel.forEach((label, counts) -> rows.add(List.of(
                (double) label,
                (double) (counts.hit + counts.missed),
                share(counts.hit, counts.hit + counts.wrong),
                share(counts.hit, counts.hit + counts.missed),
                counts.f1())));
        return List.of(
                new ScoreTable("Labels", List.of("label number", "sequences", "precision", "recall", "F1"), rows));
    }

    private static double share(long part, long all) {
        return all == 0 ? 0 : part / (double) all;
    }
}
