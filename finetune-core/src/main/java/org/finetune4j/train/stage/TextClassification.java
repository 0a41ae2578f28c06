package org.finetune4j.train.stage;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.LabelledText;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.ProblemType;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.objective.Classification;
import org.finetune4j.train.objective.Score;
import org.jspecify.annotations.Nullable;

/**
 * Training of a classifier of texts: one class of several, several labels that hold at once, or numbers.
 *
 * @param problem what the labels mean, or null to find out from the model or the records
 * @param labels their names in the order of the model's outputs; empty to find them in the model or the records
 * @param count how many labels there are; 0 to find out
 */
public record TextClassification(@Nullable ProblemType problem, List<String> labels, int count) implements Stage {

    /** The name in configurations. */
    public static final String NAME = "cls";

    /**
     * Copies the list.
     *
     * @param problem what the labels mean, or null to find out from the model or the records
     * @param labels their names in the order of the model's outputs
     * @param count how many labels there are; 0 to find out
     * @throws UserErrorException when there are more or fewer names than labels
     */
    public TextClassification {
        labels = List.copyOf(labels);
        if (!labels.isEmpty() && count > 0 && count != labels.size()) {
            throw new UserErrorException("num_labels is " + count + ", and labels names " + labels.size()
                    + " of them: leave out num_labels");
        }
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("stage", NAME);
        if (problem != null) {
            shown.put(ProblemType.KEY, problem.configName());
        }
        if (!labels.isEmpty()) {
            shown.put(Provider.LABELS, labels);
        }
        return shown;
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        return Set.of(LabelledText.class);
    }

    @Override
    public String records() {
        return "texts with a label";
    }

    @Override
    public LoadOptions loading(LoadOptions options, Path directory, @Nullable ExampleDataset examples) {
        ModelConfig config = ModelConfig.load(directory);
        LabelSurvey survey = examples == null ? LabelSurvey.NONE : LabelSurvey.of(examples);
        return options.asClassifier(survey.head(this, config));
    }

    @Override
    public TrainingDataset samples(ExampleDataset examples, CausalLM model, SupervisedOptions options) {
        return ClassificationSamples.of(examples, model, ProblemType.of(model.config()), options);
    }

    @Override
    public void configure(FineTuner tuner, StageData data) {
        tuner.objective(new Classification(ProblemType.of(data.model().config())));
    }

    /** Of a problem that is not known before the records are read, those of every kind. */
    @Override
    public List<Score> scores() {
        return problem != null
                ? new Classification(problem).scores()
                : Stream.of(ProblemType.SINGLE_LABEL_CLASSIFICATION, ProblemType.REGRESSION)
                        .flatMap(known -> new Classification(known).scores().stream())
                        .toList();
    }

    /** Training of a classifier, as configurations name it. */
    public static final class Provider implements StageProvider {

        private static final String LABELS = "labels";

        @Override
        public String name() {
            return NAME;
        }

        @Override
        public TextClassification create(Settings settings) {
            return new TextClassification(
                    problem(settings), settings.texts(LABELS), settings.integer("num_labels", 0, 1, 10_000));
        }

        private static @Nullable ProblemType problem(Settings settings) {
            return settings.text(ProblemType.KEY)
                    .map(type -> ProblemType.named(type)
                            .orElseThrow(
                                    () -> settings.invalid(ProblemType.KEY, String.join(", ", ProblemType.names()))))
                    .orElse(null);
        }
    }
}
