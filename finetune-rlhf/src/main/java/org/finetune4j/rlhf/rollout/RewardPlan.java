package org.finetune4j.rlhf.rollout;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.finetune4j.InputFiles;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelFiles;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.rlhf.reward.RewardModel;
import org.finetune4j.rlhf.rewards.RewardFunctions;
import org.finetune4j.rlhf.rewards.RewardSource;
import org.finetune4j.rlhf.rewards.WeightedRewards;
import org.finetune4j.strategy.AttachedStrategy;

/** The rewards that a configuration names: {@code reward_funcs}, {@code reward_model_path} and {@code reward_weights}. */
final class RewardPlan implements RewardSetup {

    private static final String MODEL = "reward_model_path";

    private final Settings settings;
    private final List<Double> weights;
    private final int named;

    /** @throws UserErrorException when a reward is unknown, or a weight is none */
    RewardPlan(Settings settings) {
        this.settings = settings;
        this.weights = weights(settings);
        List<RewardSource> once = RewardFunctions.read(settings);
        once.forEach(RewardSource::close);
        this.named = once.size() + (model(settings).isPresent() ? 1 : 0);
        if (!weights.isEmpty() && weights.size() != named) {
            throw new UserErrorException(settings.origin() + ": 'reward_weights' has " + weights.size()
                    + " numbers, expected one for each of " + named + " rewards");
        }
    }

    private static Optional<String> model(Settings settings) {
        return settings.text(MODEL);
    }

    private static List<Double> weights(Settings settings) {
        List<Double> weights = new ArrayList<>();
        for (String text : settings.texts("reward_weights")) {
            try {
                double weight = Double.parseDouble(text);
                if (Settings.isCalculable(weight)) {
                    weights.add(weight);
                    continue;
                }
            } catch (NumberFormatException e) {
                // Said below.
            }
            throw settings.invalid("reward_weights", "a list of numbers, one for each reward");
        }
        return weights;
    }

    /** @throws UserErrorException when nothing scores answers */
    void require() {
        if (named == 0) {
            throw new UserErrorException(settings.origin() + ": nothing scores the answers: set reward_funcs, such as"
                    + " [exact_match], or reward_model_path");
        }
    }

    /** Where the reward model is; a stage before this one may leave it there only when it has trained. */
    private Path directory(String path) {
        Path directory = InputFiles.path(settings.origin() + ": '" + MODEL + "'", path);
        if (!Files.isDirectory(directory)) {
            throw new UserErrorException(settings.origin() + ": '" + MODEL + "': there is no directory " + path);
        }
        return directory;
    }

    /** An adapter that shares the policy's base takes its own file, any other model all of its weights. */
    @Override
    public long bytes(CausalLM model, AttachedStrategy policy) {
        Optional<String> path = model(settings);
        if (path.isEmpty()) {
            return 0;
        }
        Path directory = directory(path.get());
        return ModelFiles.weightBytes(
                SharedBaseReward.shares(directory, model, policy) ? directory : RewardModel.weights(directory));
    }

    @Override
    public void check(CausalLM model) {
        model(settings).ifPresent(path -> {
            try (Tokenizer tokenizer = Tokenizer.load(RewardModel.weights(directory(path)))) {
                RewardModel.requireSameTokens(tokenizer, model.tokenizer());
            }
        });
    }

    @Override
    public WeightedRewards open(CausalLM model, AttachedStrategy policy) {
        List<RewardSource> sources = new ArrayList<>(RewardFunctions.read(settings));
        try {
            Optional<String> path = model(settings);
            if (path.isPresent()) {
                sources.add(ModelReward.open(directory(path.get()), model, policy));
            }
            return new WeightedRewards(sources, weights);
        } catch (RuntimeException | Error e) {
            sources.forEach(RewardSource::close);
            throw e;
        }
    }
}
