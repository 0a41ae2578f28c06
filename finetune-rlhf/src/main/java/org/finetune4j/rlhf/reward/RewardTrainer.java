package org.finetune4j.rlhf.reward;

import java.util.Objects;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DatasetSplit;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.supervised.ChatTemplateRenderer;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.stage.StageData;
import org.jspecify.annotations.Nullable;

/**
 * Trains a reward model on pairs of answers: a {@link FineTuner} with the {@link BradleyTerry} objective.
 *
 * <pre>{@code
 * LoadOptions asJudge = LoadOptions.defaults().asClassifier(1);
 * try (CausalLM model = CausalLM.load("models/SmolLM2-135M", asJudge);
 *         TrainingResult result = RewardTrainer.of(model)
 *                 .strategy(Lora.builder().rank(16).targetModules("all-linear").build())
 *                 .pairs(LoadedExamples.open(DatasetSpec.builder().path("preferences.jsonl").build()))
 *                 .evaluationFraction(0.1)
 *                 .arguments(TrainingArguments.builder().learningRate(1e-4).build())
 *                 .train()) {
 *     result.save(Path.of("out/reward"));
 *     double[] rewards = RewardModel.of(model).score(List.of(new PromptCompletion("2 + 2 =", " 4")));
 * }
 * }</pre>
 */
public final class RewardTrainer {

    private final CausalLM model;
    private final FineTuner tuner;
    private @Nullable ExampleDataset pairs;
    private @Nullable ExampleDataset heldOut;
    private @Nullable SupervisedOptions tokenization;
    private TrainingArguments arguments = TrainingArguments.defaults();
    private double evaluationFraction;
    private double centring;

    private RewardTrainer(CausalLM model) {
        this.model = model;
        this.tuner = FineTuner.of(model);
    }

    /**
     * A trainer for {@code model}, which stays the caller's.
     *
     * @param model a classifier of sequences with one label and a tokenizer, such as {@code LoadOptions.asClassifier(1)}
     *     makes of a language model
     * @return the trainer
     * @throws UserErrorException when the model gives no reward
     */
    public static RewardTrainer of(CausalLM model) {
        RewardModel.pooling(Objects.requireNonNull(model, "model"));
        return new RewardTrainer(model);
    }

    /**
     * What trains on the model; the head always does.
     *
     * @param value the method with its settings; full fine-tuning when none is set
     * @return this trainer
     */
    public RewardTrainer strategy(FineTuningStrategy value) {
        tuner.strategy(Objects.requireNonNull(value, "strategy"));
        return this;
    }

    /**
     * Pairs of a chosen and a rejected answer to train on.
     *
     * @param value nothing else than such pairs
     * @return this trainer
     */
    public RewardTrainer pairs(ExampleDataset value) {
        pairs = Objects.requireNonNull(value, "pairs");
        return this;
    }

    /**
     * Held-out pairs.
     *
     * @param value pairs that are not trained on
     * @return this trainer
     */
    public RewardTrainer evaluation(ExampleDataset value) {
        heldOut = Objects.requireNonNull(value, "evaluation");
        return this;
    }

    /**
     * Holds out a part of the pairs where no others are set, chosen by the arguments' seed.
     *
     * @param value above 0 and below 1
     * @return this trainer
     */
    public RewardTrainer evaluationFraction(double value) {
        evaluationFraction = value;
        return this;
    }

    /**
     * How answers and their prompts are put into words; texts one after the other, conversations by the model's chat template
     * when nothing is set.
     *
     * @param value prompt, chat template and longest answer
     * @return this trainer
     */
    public RewardTrainer tokenization(SupervisedOptions value) {
        tokenization = Objects.requireNonNull(value, "tokenization");
        return this;
    }

    /**
     * Keeps rewards around 0.
     *
     * @param value what the square of the sum of a pair's rewards is multiplied by, such as 0.01; 0 for nothing
     * @return this trainer
     */
    public RewardTrainer centring(double value) {
        centring = value;
        return this;
    }

    /**
     * Sets how to train.
     *
     * @param value the defaults when nothing is set
     * @return this trainer
     */
    public RewardTrainer arguments(TrainingArguments value) {
        arguments = Objects.requireNonNull(value, "arguments");
        tuner.arguments(value);
        return this;
    }

    /**
     * Adds a listener.
     *
     * @param value is told what happens, after those added before
     * @return this trainer
     */
    public RewardTrainer listener(TrainingListener value) {
        tuner.listener(Objects.requireNonNull(value, "listener"));
        return this;
    }

    /**
     * Who is told the memory plan and warnings; the log when nobody is set.
     *
     * @param value is given one line each time
     * @return this trainer
     */
    public RewardTrainer messages(Consumer<String> value) {
        tuner.messages(Objects.requireNonNull(value, "messages"));
        return this;
    }

    /** Asks a running {@link #train} to stop after the present step, with a checkpoint. Any thread may ask. */
    public void requestStop() {
        tuner.requestStop();
    }

    /**
     * Trains.
     *
     * @return the trained model and how the run went
     * @throws UserErrorException when pairs, settings and model do not fit together; the message says what to change
     */
    public TrainingResult train() {
        ExampleDataset train = pairs;
        if (train == null) {
            throw new UserErrorException("there is nothing to train on: set pairs");
        }
        ExampleDataset held = heldOut;
        if (held == null && evaluationFraction > 0) {
            DatasetSplit<ExampleDataset> split = train.split(evaluationFraction, arguments.seed());
            held = split.evaluation();
            train = split.train();
        }
        RewardStage stage = new RewardStage(centring);
        TrainingDataset samples = samples(stage, train);
        TrainingDataset measured = held == null ? null : samples(stage, held);
        tuner.dataset(samples);
        if (measured != null) {
            tuner.evaluation(measured);
        }
        stage.settings().forEach(tuner::describe);
        stage.configure(tuner, new StageData(model, samples, train, measured, held));
        return tuner.train();
    }

    private TrainingDataset samples(RewardStage stage, ExampleDataset examples) {
        stage.require(examples);
        SupervisedOptions options = tokenization == null
                ? SupervisedOptions.builder()
                        .maxLength(Math.min(
                                SupervisedOptions.DEFAULT_MAX_LENGTH,
                                model.network().maxPositions()))
                        .renderer(model.chatTemplate()
                                .map(ChatTemplateRenderer::new)
                                .orElse(null))
                        .build()
                : tokenization;
        return stage.samples(examples, model, options);
    }
}
