package org.finetune4j.train.stage;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.LabelledText;
import org.finetune4j.model.ClassifierHead;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.ProblemType;
import org.jspecify.annotations.Nullable;

/**
 * The labels that occur in records.
 *
 * @param labels each once, sorted; of numbers with fractions none
 * @param most how many a record has at most
 * @param alike whether every record has exactly one
 * @param fractions whether some are numbers with a fraction
 */
record LabelSurvey(Set<String> labels, int most, boolean alike, boolean fractions) {

    /** Where there are no records. */
    static final LabelSurvey NONE = new LabelSurvey(Set.of(), 1, true, false);

    /** More are no classes but texts or numbers. */
    private static final int MOST_LABELS = 10_000;

    /** The largest class that a whole number can be meant to be. */
    private static final int LARGEST = 9_999;

    static LabelSurvey of(ExampleDataset examples) {
        Set<String> labels = new TreeSet<>();
        int most = 0;
        boolean alike = true;
        boolean fractions = false;
        for (int i = 0; i < examples.size(); i++) {
            List<String> own = ((LabelledText) examples.get(i)).labels();
            most = Math.max(most, own.size());
            alike &= own.size() == 1;
            for (String label : own) {
                if (isFraction(label)) {
                    fractions = true;
                } else if (labels.size() <= MOST_LABELS) {
                    labels.add(label);
                }
            }
        }
        return new LabelSurvey(labels, most, alike, fractions);
    }

    private static boolean isFraction(String label) {
        return label.matches("[-+]?\\d*\\.\\d+([eE][-+]?\\d+)?|[-+]?\\d+[eE][-+]?\\d+");
    }

    /** Whether a text is the number of a class. */
    static boolean isClassNumber(String label) {
        return label.matches("\\d{1,4}") && Integer.parseInt(label) <= LARGEST;
    }

    /** The head for these records: as the user says, else as the model has it, else as the records need it. */
    ClassifierHead head(TextClassification stage, ModelConfig config) {
        ProblemType problem = problem(stage, config);
        List<String> names = problem == ProblemType.REGRESSION ? numbers(stage) : names(stage, config);
        return new ClassifierHead(names, problem.configName());
    }

    private ProblemType problem(TextClassification stage, ModelConfig config) {
        ProblemType own = stage.problem() != null ? stage.problem() : ofModel(config);
        if (own != null) {
            return own;
        }
        if (fractions || stage.count() == 1) {
            return ProblemType.REGRESSION;
        }
        return alike ? ProblemType.SINGLE_LABEL_CLASSIFICATION : ProblemType.MULTI_LABEL_CLASSIFICATION;
    }

    private static @Nullable ProblemType ofModel(ModelConfig config) {
        String type = config.isSequenceClassifier() ? config.text(ProblemType.KEY, "") : "";
        return ProblemType.named(type).orElse(null);
    }

    private List<String> numbers(TextClassification stage) {
        if (!stage.labels().isEmpty()) {
            return stage.labels();
        }
        return ClassifierHead.of(stage.count() > 0 ? stage.count() : Math.max(1, most))
                .labels();
    }

    private List<String> names(TextClassification stage, ModelConfig config) {
        if (!stage.labels().isEmpty()) {
            return stage.labels();
        }
        if (labels.size() > MOST_LABELS) {
            throw new UserErrorException("the records have more than " + MOST_LABELS
                    + " different labels: name the column of their class, or set problem_type: regression for numbers");
        }
        boolean numbered = labels.stream().allMatch(LabelSurvey::isClassNumber);
        int needed =
                numbered ? labels.stream().mapToInt(Integer::parseInt).max().orElse(0) + 1 : labels.size();
        if (config.isSequenceClassifier() && (stage.count() == 0 || stage.count() == config.labels())) {
            List<String> known = config.labelNames();
            if (known.containsAll(labels) || (numbered && needed <= known.size())) {
                return known;
            }
        }
        if (stage.count() > 0 && stage.count() < needed) {
            throw new UserErrorException("num_labels is " + stage.count() + ", and the records have "
                    + (numbered ? "a label " + (needed - 1) : needed + " different labels")
                    + ": raise it, or leave it out");
        }
        if (needed < 2) {
            needed = Math.max(2, stage.count());
            if (!numbered) {
                throw new UserErrorException("all records have the label '" + String.join("", labels)
                        + "', so that there is nothing to tell apart; name others by labels: [...]");
            }
        }
        if (numbered) {
            return ClassifierHead.of(Math.max(needed, stage.count())).labels();
        }
        List<String> names = new ArrayList<>(labels);
        IntStream.range(names.size(), stage.count()).forEach(i -> names.add("LABEL_" + i));
        return names;
    }
}
