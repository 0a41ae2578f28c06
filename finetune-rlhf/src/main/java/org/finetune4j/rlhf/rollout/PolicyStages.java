package org.finetune4j.rlhf.rollout;

import java.util.OptionalDouble;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.rlhf.policy.ClippedPolicyLoss;
import org.finetune4j.rlhf.policy.ClippedValueLoss;
import org.finetune4j.rlhf.policy.GeneralizedAdvantage;
import org.finetune4j.rlhf.policy.GroupAdvantages;
import org.finetune4j.rlhf.policy.GroupPolicyLoss;
import org.finetune4j.rlhf.policy.KlCoefficient;
import org.finetune4j.rlhf.policy.KlEstimator;
import org.finetune4j.rlhf.policy.LossAggregation;
import org.finetune4j.rlhf.policy.PpoLoss;
import org.finetune4j.rlhf.policy.ScoreShaping;
import org.finetune4j.train.stage.Stage;
import org.finetune4j.train.stage.StageProvider;

/** The stages that train a policy, read under TRL's names. */
public final class PolicyStages {

    private static final int MOST_GENERATIONS = 1 << 12;
    private static final int MOST_TOKENS = 1 << 20;
    private static final int MOST_PASSES = 1 << 16;
    private static final double LARGEST = 1e6;

    private PolicyStages() {}

    /** {@code stage: grpo}. */
    public static final class Grpo implements StageProvider {

        @Override
        public String name() {
            return "grpo";
        }

        @Override
        public Stage create(Settings settings) {
            String loss = settings.text("loss_type").orElse("dapo");
            boolean sequence = loss.equals("gspo");
            GroupOptions options = new GroupOptions(
                    scaling(settings),
                    settings.choice(
                                            "importance_sampling_level",
                                            Level.values(),
                                            sequence ? Level.SEQUENCE : Level.TOKEN)
                                    == Level.SEQUENCE
                            ? GroupPolicyLoss.Level.SEQUENCE
                            : GroupPolicyLoss.Level.TOKEN,
                    clip(settings),
                    settings.number("beta", 0, 0, LARGEST),
                    false,
                    sequence
                            ? LossAggregation.GRPO
                            : settings.choice("loss_type", LossAggregation.values(), LossAggregation.DAPO),
                    false,
                    settings.number("entropy_coef", 0, 0, LARGEST));
            return stage(settings, name(), new PolicyMethod.Group(options), 8, "num_iterations", 1);
        }

        private enum Level {
            TOKEN,
            SEQUENCE
        }

        /** TRL has truth values here, too. */
        private static GroupAdvantages scaling(Settings settings) {
            return switch (settings.text("scale_rewards").orElse("group")) {
                case "group", "true" -> GroupAdvantages.GROUP;
                case "batch" -> GroupAdvantages.BATCH;
                case "none", "false" -> GroupAdvantages.NONE;
                default -> throw settings.invalid("scale_rewards", "group, batch or none");
            };
        }
    }

    /** {@code stage: rloo}. */
    public static final class Rloo implements StageProvider {

        @Override
        public String name() {
            return "rloo";
        }

        @Override
        public Stage create(Settings settings) {
            GroupOptions plain = GroupOptions.rloo();
            GroupOptions options = new GroupOptions(
                    plain.advantages(),
                    plain.level(),
                    clip(settings),
                    settings.number("beta", plain.beta(), 0, LARGEST),
                    true,
                    plain.aggregation(),
                    settings.flag("normalize_advantages", false),
                    settings.number("entropy_coef", 0, 0, LARGEST));
            return stage(settings, name(), new PolicyMethod.Group(options), 2, "num_iterations", 1);
        }
    }

    /** {@code stage: reinforce_plus_plus}. */
    public static final class ReinforcePlusPlus implements StageProvider {

        @Override
        public String name() {
            return "reinforce_plus_plus";
        }

        @Override
        public Stage create(Settings settings) {
            GroupOptions plain = GroupOptions.reinforcePlusPlus();
            GroupOptions options = new GroupOptions(
                    plain.advantages(),
                    plain.level(),
                    clip(settings),
                    settings.number("beta", plain.beta(), 0, LARGEST),
                    true,
                    plain.aggregation(),
                    false,
                    settings.number("entropy_coef", 0, 0, LARGEST));
            return stage(settings, name(), new PolicyMethod.Group(options), 1, "num_iterations", 1);
        }
    }

    /** {@code stage: online_dpo}. */
    public static final class OnlineDpo implements StageProvider {

        @Override
        public String name() {
            return "online_dpo";
        }

        @Override
        public Stage create(Settings settings) {
            PolicyMethod method = new PolicyMethod.OnlineDpo(
                    settings.text("loss_type").orElse("sigmoid"), settings.number("beta", 0.1, 0, LARGEST));
            return stage(settings, name(), method, 2, "num_iterations", 0.9);
        }
    }

    /** {@code stage: rft}. */
    public static final class Rft implements StageProvider {

        @Override
        public String name() {
            return "rft";
        }

        @Override
        public Stage create(Settings settings) {
            double threshold = settings.number("reward_threshold", Double.NEGATIVE_INFINITY);
            return stage(settings, name(), new PolicyMethod.BestOfN(threshold), 8, "num_iterations", 1);
        }
    }

    /** {@code stage: ppo}. */
    public static final class Ppo implements StageProvider {

        @Override
        public String name() {
            return "ppo";
        }

        @Override
        public Stage create(Settings settings) {
            PpoOptions options = new PpoOptions(
                    coefficient(settings),
                    settings.choice("kl_estimator", KlEstimator.values(), KlEstimator.K1),
                    new GeneralizedAdvantage(settings.number("gamma", 1, 0, 1), settings.number("lam", 0.95, 0, 1)),
                    new PpoLoss(
                            ClippedPolicyLoss.of(settings.number("cliprange", 0.2, 0, LARGEST)),
                            new ClippedValueLoss(settings.number("cliprange_value", 0.2, 0, LARGEST)),
                            settings.number("vf_coef", 0.1, 0, LARGEST)),
                    settings.flag("whiten_rewards", false),
                    settings.number("entropy_coef", 0, 0, LARGEST),
                    settings.flag("value_adapter", false));
            return stage(settings, name(), new PolicyMethod.Ppo(options), 1, "num_ppo_epochs", 0.7);
        }

        private static KlCoefficient coefficient(Settings settings) {
            double initial = settings.number("kl_coef", 0.05, 0, LARGEST);
            boolean adaptive = settings.flag("adap_kl_ctrl", false);
            double target = settings.number("target_kl", 6, 1e-9, LARGEST);
            double horizon = settings.number("horizon", 10_000, 1, 1e12);
            return adaptive ? new KlCoefficient.Adaptive(initial, target, horizon) : new KlCoefficient.Fixed(initial);
        }
    }

    private static ClippedPolicyLoss clip(Settings settings) {
        double low = settings.number("epsilon", 0.2, 0, LARGEST);
        return new ClippedPolicyLoss(low, settings.number("epsilon_high", low, 0, LARGEST));
    }

    private static Stage stage(
            Settings settings,
            String name,
            PolicyMethod method,
            int generations,
            String passesKey,
            double temperature) {
        boolean ppo = method instanceof PolicyMethod.Ppo;
        SamplingOptions sampling = new SamplingOptions(
                ppo ? 1 : settings.integer("num_generations", generations, 1, MOST_GENERATIONS),
                completionLength(settings, ppo),
                settings.number("temperature", temperature, 1e-3, 1e3),
                settings.number("top_p", 1, 1e-9, 1),
                settings.integer("top_k", 0, 0),
                settings.number("min_p", 0, 0, 1),
                settings.texts("stop_strings"));
        RolloutOptions options = new RolloutOptions(
                sampling,
                settings.integer(passesKey, ppo ? 4 : 1, 1, MOST_PASSES),
                settings.integer("num_mini_batches", 1, 1, MOST_PASSES),
                shaping(settings),
                collapse(settings),
                settings.integer("log_completions", 2, 0, 1 << 16));
        return new PolicyStage(
                name,
                method,
                options,
                new RewardPlan(settings),
                settings.integer("max_prompt_length", 512, 1, MOST_TOKENS));
    }

    /** PPO's trainers say {@code response_length}, the others {@code max_completion_length}; both are read. */
    private static int completionLength(Settings settings, boolean ppo) {
        boolean response = settings.has("response_length");
        if (response && settings.has("max_completion_length")) {
            throw new UserErrorException(settings.origin()
                    + ": 'response_length' and 'max_completion_length' are the same: set one of them");
        }
        int length = settings.integer("response_length", ppo ? 53 : 256, 1, MOST_TOKENS);
        return response ? length : settings.integer("max_completion_length", length, 1, MOST_TOKENS);
    }

    private static ScoreShaping shaping(Settings settings) {
        OptionalDouble clip = settings.has("reward_clip")
                ? OptionalDouble.of(settings.number("reward_clip", 0, 1e-9, LARGEST))
                : OptionalDouble.empty();
        return new ScoreShaping(
                settings.number("missing_eos_penalty", 0, 0, LARGEST),
                settings.flag("normalize_rewards", false),
                clip.orElse(Double.POSITIVE_INFINITY));
    }

    private static CollapseLimits collapse(Settings settings) {
        CollapseLimits plain = CollapseLimits.DEFAULT;
        return new CollapseLimits(
                settings.number("max_kl", plain.maxKl(), 0, LARGEST),
                settings.number("min_entropy", plain.minEntropy(), 0, LARGEST),
                settings.flag("stop_on_identical_answers", plain.identicalAnswers()),
                settings.integer("collapse_patience", plain.patience(), 1, MOST_PASSES));
    }
}
