package org.finetune4j.rlhf.reward;

import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.StageTrainer;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.stage.StageData;

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
public final class RewardTrainer extends StageTrainer<RewardTrainer> {

    private double centring;

    private RewardTrainer(CausalLM model) {
        super(model, "pairs");
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
     * Pairs of a chosen and a rejected answer to train on.
     *
     * @param value nothing else than such pairs
     * @return this trainer
     */
    public RewardTrainer pairs(ExampleDataset value) {
        return dataset(value);
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

    @Override
    protected TrainingDataset samples(ExampleDataset records, SupervisedOptions forms) {
        RewardStage stage = new RewardStage(centring);
        stage.require(records);
        return stage.samples(records, model(), forms);
    }

    @Override
    protected void configure(FineTuner training, StageData data) {
        RewardStage stage = new RewardStage(centring);
        stage.settings().forEach(training::describe);
        stage.configure(training, data);
    }
}
