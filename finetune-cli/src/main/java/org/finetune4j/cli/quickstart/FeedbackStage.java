package org.finetune4j.cli.quickstart;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.LoadedExamples;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.rlhf.preference.PairObjective;
import org.finetune4j.rlhf.preference.PairObjective.Likelihood;
import org.finetune4j.rlhf.preference.PairObjective.Term;
import org.finetune4j.rlhf.preference.PreferenceTrainer;
import org.finetune4j.rlhf.preference.loss.SigmoidLoss;
import org.finetune4j.rlhf.rewards.RewardRequest;
import org.finetune4j.rlhf.rollout.GroupOptions;
import org.finetune4j.rlhf.rollout.PolicyMethod;
import org.finetune4j.rlhf.rollout.PolicyTrainer;
import org.finetune4j.rlhf.rollout.PpoOptions;
import org.finetune4j.rlhf.rollout.RolloutOptions;
import org.finetune4j.rlhf.rollout.SamplingOptions;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;

/** The ways to learn from feedback that the quick start shows. */
enum FeedbackStage {

    /** From pairs of answers. */
    DPO {
        @Override
        TrainingResult train(CausalLM model, AnswerStyleFiles files, List<TrainingListener> listeners) {
            // Without the likelihood of the chosen answers a model this small forgets how to write them.
            PairObjective objective =
                    PairObjective.withReference(List.of(new Term(new SigmoidLoss(0.1), 1)), new Likelihood(0.5, false));
            PreferenceTrainer trainer = PreferenceTrainer.of(model, objective)
                    .strategy(lora())
                    .dataset(examples(files.pairs()))
                    .arguments(TrainingArguments.builder()
                            .maxSteps(80)
                            .perDeviceTrainBatchSize(16)
                            .learningRate(5e-4)
                            .build());
            listeners.forEach(trainer::listener);
            return trainer.train();
        }
    },

    /** From its own answers, compared within groups. */
    GRPO {
        @Override
        TrainingResult train(CausalLM model, AnswerStyleFiles files, List<TrainingListener> listeners) {
            return policy(
                    model, files, new PolicyMethod.Group(GroupOptions.grpo()), rollouts(8, 1), 40, 1e-3, listeners);
        }
    },

    /** From its own answers, judged by a value function. */
    PPO {
        @Override
        TrainingResult train(CausalLM model, AnswerStyleFiles files, List<TrainingListener> listeners) {
            return policy(
                    model, files, new PolicyMethod.Ppo(PpoOptions.defaults()), rollouts(1, 2), 80, 1e-3, listeners);
        }
    };

    private static final int ANSWERS = 96;
    private static final int MAX_ANSWER_TOKENS = 16;

    /**
     * Trains.
     *
     * @param model that answers in both ways
     * @param files of the task
     * @param listeners are told what happens
     */
    abstract TrainingResult train(CausalLM model, AnswerStyleFiles files, List<TrainingListener> listeners);

    /** {@return the stage of this name} */
    static FeedbackStage named(String name) {
        return Arrays.stream(values())
                .filter(stage -> stage.label().equals(name))
                .findFirst()
                .orElseThrow(() -> new UserErrorException("--stage " + name + " has no quick start"
                        + Suggestions.among(
                                name,
                                Arrays.stream(values())
                                        .map(FeedbackStage::label)
                                        .toList())));
    }

    String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    private static Lora lora() {
        return Lora.builder()
                .rank(16)
                .alpha(32)
                .targetModules("q_proj", "k_proj", "v_proj", "o_proj")
                .build();
    }

    private static ExampleDataset examples(Path file) {
        return LoadedExamples.open(DatasetSpec.builder().path(file.toString()).build());
    }

    private static RolloutOptions rollouts(int generations, int epochs) {
        RolloutOptions plain = RolloutOptions.of(SamplingOptions.of(generations, MAX_ANSWER_TOKENS));
        return new RolloutOptions(
                plain.sampling(),
                epochs,
                plain.miniBatches(),
                plain.shaping(),
                plain.collapse(),
                plain.samplesPerRound());
    }

    private static TrainingResult policy(
            CausalLM model,
            AnswerStyleFiles files,
            PolicyMethod method,
            RolloutOptions rollouts,
            int steps,
            double learningRate,
            List<TrainingListener> listeners) {
        PolicyTrainer trainer = PolicyTrainer.of(model)
                .strategy(lora())
                .prompts(examples(files.prompts()))
                .method(method)
                .rollouts(rollouts)
                .reward("whole sentence", FeedbackStage::wholeSentence)
                .arguments(TrainingArguments.builder()
                        .maxSteps(steps)
                        .perDeviceTrainBatchSize(ANSWERS)
                        .learningRate(learningRate)
                        .build());
        listeners.forEach(trainer::listener);
        return trainer.train();
    }

    /** The reward: 1 for a whole sentence of the kind that was asked for, whatever fact it tells. */
    private static double wholeSentence(RewardRequest answer) {
        String sentence = answer.text("answer").orElseThrow();
        String stem = sentence.substring(0, sentence.lastIndexOf(' ') + 1);
        String given = answer.completion().strip();
        return given.startsWith(stem) && given.endsWith(".") ? 1 : 0;
    }
}
