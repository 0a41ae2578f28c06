package org.finetune4j.train.stage;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.data.PackedDataset;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.data.supervised.TrainOn;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.objective.CrossEntropy;

/**
 * Supervised fine-tuning: the model learns to write the answers of its records, or to continue plain text.
 *
 * @param trainOn which tokens are learned
 * @param chosenOnly whether of a preference pair the chosen answer is learned; otherwise pairs are refused
 * @param packing whether several samples share a row
 * @param sharing whether what samples of a batch begin with alike is computed once, see {@link FineTuner#sharedPrompts}
 * @param loss what is added to the cross entropy
 */
public record SupervisedFineTuning(
        TrainOn trainOn, boolean chosenOnly, boolean packing, boolean sharing, LossOptions loss) implements Stage {

    /** The name in configurations. */
    public static final String NAME = "sft";

    /**
     * Refuses null.
     *
     * @param trainOn which tokens are learned
     * @param chosenOnly whether of a preference pair the chosen answer is learned; otherwise pairs are refused
     * @param packing whether several samples share a row
     * @param sharing whether what samples of a batch begin with alike is computed once, see {@link FineTuner#sharedPrompts}
     * @param loss what is added to the cross entropy
     */
    public SupervisedFineTuning {
        Objects.requireNonNull(trainOn, "trainOn");
        Objects.requireNonNull(loss, "loss");
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Map<String, Object> settings() {
        return new LinkedHashMap<>(); // the training's arguments tell of the loss
    }

    /** All: what cannot be learned its tokenizer refuses, with what to do about it. */
    @Override
    public Set<Class<? extends Example>> kinds() {
        return Set.of(Example.class);
    }

    @Override
    public String records() {
        return "prompts with their answers, conversations and plain text";
    }

    @Override
    public boolean continuesText() {
        return true;
    }

    @Override
    public TrainingDataset samples(ExampleDataset examples, CausalLM model, SupervisedOptions options) {
        return SupervisedSamples.of(examples, model.tokenizer(), options.learning(trainOn, chosenOnly));
    }

    @Override
    public TrainingDataset batches(TrainingDataset samples, int maxLength, List<String> notes) {
        if (!packing) {
            return samples;
        }
        PackedDataset packed = PackedDataset.of(samples, maxLength);
        notes.add(String.format(
                Locale.ROOT,
                "%,d samples packed into %,d rows of %,d tokens, %.1f%% full",
                samples.size(),
                packed.size(),
                maxLength,
                100 * packed.fill()));
        return packed;
    }

    @Override
    public void configure(FineTuner tuner, StageData data) {
        tuner.objective(new CrossEntropy(loss)).sharedPrompts(sharing);
    }

    /** Supervised fine-tuning, as configurations name it. */
    public static final class Provider implements StageProvider {

        @Override
        public String name() {
            return NAME;
        }

        @Override
        public SupervisedFineTuning create(Settings settings) {
            return new SupervisedFineTuning(
                    settings.choice("train_on", TrainOn.values(), TrainOn.COMPLETIONS),
                    settings.flag("preference_chosen_only", false),
                    settings.flag("packing", false),
                    settings.flag("share_prompts", true),
                    new LossOptions(
                            settings.number("label_smoothing_factor", 0, 0, 0.999),
                            settings.number("z_loss", 0, 0, 1e3)));
        }
    }
}
