package org.finetune4j.rlhf.preference;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.pair.PairDataset;
import org.finetune4j.train.objective.Score;

/** Learning from pairs of answers: DPO and its relatives, ORPO, SimPO, CPO. */
public final class PairStage extends PreferenceStage {

    private final PairObjective objective;

    /**
     * A stage of an objective.
     *
     * @param name in configurations
     * @param objective what is made small
     * @param shown the settings under the names that users know, for reports
     * @param layout how samples lie in rows, and how they come by a reference
     */
    public PairStage(String name, PairObjective objective, Map<String, Object> shown, SampleLayout layout) {
        super(name, shown, layout);
        this.objective = objective;
    }

    @Override
    PairObjective objective() {
        return objective;
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        return Set.of(PreferencePair.class);
    }

    @Override
    public String records() {
        return "pairs of a chosen and a rejected answer";
    }

    @Override
    public List<Score> scores() {
        return PreferenceMeasurement.PAIRED;
    }

    @Override
    public TrainingDataset samples(ExampleDataset examples, CausalLM model, SupervisedOptions options) {
        return new ReferencedSamples(PairDataset.of(
                examples,
                model.tokenizer(),
                options,
                layout().promptLimit(),
                new PairSampler(layout().shares(model), objective.labelsPrompts(), objective.tailWeight())));
    }
}
