package org.finetune4j.rlhf.reward;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadBalancing;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.Pooling;
import org.finetune4j.rlhf.pair.LostEndCheck;
import org.finetune4j.rlhf.pair.PairDataset;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.objective.Score;
import org.finetune4j.train.stage.Stage;
import org.finetune4j.train.stage.StageData;
import org.finetune4j.train.stage.StageProvider;
import org.jspecify.annotations.Nullable;

/**
 * Training of a reward model: a language model with a head of one number learns which of two answers people preferred.
 *
 * @param centring how strongly rewards are kept around 0; 0 for not at all
 */
public record RewardStage(double centring) implements Stage {

    /** The name in configurations. */
    public static final String NAME = "rm";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("stage", NAME);
        if (centring > 0) {
            shown.put(Provider.CENTRING, centring);
        }
        return shown;
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        return Set.of(PreferencePair.class);
    }

    @Override
    public String records() {
        return "pairs of a chosen and a rejected answer";
    }

    /** A model that scores answers writes none. */
    @Override
    public boolean continuesAsBase() {
        return false;
    }

    @Override
    public LoadOptions loading(LoadOptions options, Path directory, @Nullable ExampleDataset examples) {
        return options.asClassifier(1);
    }

    @Override
    public TrainingDataset samples(ExampleDataset examples, CausalLM model, SupervisedOptions options) {
        Pooling pooling = RewardModel.pooling(model);
        if (!model.network().isCausal()) {
            throw new UserErrorException(model.config().origin() + ": "
                    + model.config().architecture() + " reads in both directions; reward models are made of decoders");
        }
        boolean shares = shares(model);
        return PairDataset.of(examples, model.tokenizer(), options, (pair, record) -> {
            Double margin = record.margin();
            return BradleyTerry.sample(pair, pooling, shares ? pair.common() : 0)
                    .with(BradleyTerry.MARGIN, margin == null ? 0 : margin.floatValue());
        });
    }

    /** Experts whose use is balanced by the loss count a token as often as it is there. */
    private static boolean shares(CausalLM model) {
        LoadBalancing balance = model.network().loadBalancing();
        return balance == null || !balance.addsToLoss();
    }

    @Override
    public void configure(FineTuner tuner, StageData data) {
        tuner.objective(new BradleyTerry(centring))
                .check(new LostEndCheck(data.train()))
                .check(new HeadCheck());
    }

    @Override
    public List<Score> scores() {
        return PairwiseMeasurement.SCORES;
    }

    /** Training of a reward model, as configurations name it. */
    public static final class Provider implements StageProvider {

        /** TRL's name of it. */
        private static final String CENTRING = "center_rewards_coefficient";

        @Override
        public String name() {
            return NAME;
        }

        @Override
        public RewardStage create(Settings settings) {
            return new RewardStage(settings.number(CENTRING, 0, 0, 1e6));
        }
    }
}
