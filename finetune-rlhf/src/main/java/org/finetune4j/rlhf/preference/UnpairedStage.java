package org.finetune4j.rlhf.preference;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.UnpairedPreference;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.objective.Score;

/** Learning from single answers that were found good or bad: KTO. */
public final class UnpairedStage extends PreferenceStage {

    private final UnpairedObjective objective;
    private final int batchSize;

    /**
     * A stage of an objective.
     *
     * @param name in configurations
     * @param objective what is made small
     * @param batchSize answers of a batch, which change places where the divergence is estimated
     * @param shown the settings under the names that users know, for reports
     * @param layout how samples lie in rows, and how they come by a reference
     * @throws UserErrorException when there is nobody to change places with
     */
    public UnpairedStage(
            String name, UnpairedObjective objective, int batchSize, Map<String, Object> shown, SampleLayout layout) {
        super(name, shown, layout);
        if (objective.needsDivergence() && batchSize < 2) {
            throw new UserErrorException(
                    "per_device_train_batch_size is " + batchSize
                            + ", expected at least 2: this loss estimates the divergence by answers to other prompts of the batch");
        }
        this.objective = objective;
        this.batchSize = objective.needsDivergence() ? batchSize : 1;
    }

    @Override
    UnpairedObjective objective() {
        return objective;
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        return Set.of(UnpairedPreference.class);
    }

    @Override
    public String records() {
        return "single answers that were found good or bad";
    }

    /** Where a judgement is something else than true or false, records look like answers that nobody judged: its key is named. */
    @Override
    public void require(ExampleDataset examples) {
        if (!kinds().containsAll(examples.kinds())) {
            for (int i = 0; i < examples.size(); i++) {
                for (String key : List.of("label", "kto_tag")) {
                    Object judged = examples.fields(i).get(key);
                    if (judged != null && !judged.toString().matches("(?i)true|false")) {
                        throw new UserErrorException(examples.location(i) + ": '" + key
                                + "' must be true or false, got "
                                + (judged instanceof String text
                                        ? "the text '" + RecordFields.shortened(text) + "'"
                                        : RecordFields.shortened(judged.toString())));
                    }
                }
            }
        }
        super.require(examples);
    }

    @Override
    public List<Score> scores() {
        return PreferenceMeasurement.UNPAIRED;
    }

    @Override
    public TrainingDataset samples(ExampleDataset examples, CausalLM model, SupervisedOptions options) {
        return new ReferencedSamples(UnpairedSamples.of(
                examples, model.tokenizer(), options, layout().promptLimit(), batchSize, layout().shares(model)));
    }
}
