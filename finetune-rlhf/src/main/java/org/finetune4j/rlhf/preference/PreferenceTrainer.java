package org.finetune4j.rlhf.preference;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
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
 * Trains a model on preferences: a {@link FineTuner} with the objective of DPO or one of its relatives. With an adapter, the
 * reference model is the same base with the adapter off; it takes no memory of its own.
 *
 * <pre>{@code
 * try (CausalLM model = CausalLM.load("models/SmolLM2-135M");
 *         TrainingResult result = PreferenceTrainer.of(model, PairObjective.dpo(0.1))
 *                 .strategy(Lora.builder().rank(16).targetModules("all-linear").build())
 *                 .dataset(LoadedExamples.open(DatasetSpec.builder().path("preferences.jsonl").build()))
 *                 .evaluationFraction(0.1)
 *                 .arguments(TrainingArguments.builder().learningRate(5e-6).build())
 *                 .train()) {
 *     result.saveAdapter(Path.of("out/dpo"));
 * }
 * }</pre>
 */
public final class PreferenceTrainer {

    private final CausalLM model;
    private final @Nullable PairObjective paired;
    private final @Nullable UnpairedObjective unpaired;
    private final FineTuner tuner;
    private @Nullable ExampleDataset examples;
    private @Nullable ExampleDataset heldOut;
    private @Nullable SupervisedOptions tokenization;
    private TrainingArguments arguments = TrainingArguments.defaults();
    private SampleLayout layout = SampleLayout.DEFAULT;
    private double evaluationFraction;

    private PreferenceTrainer(CausalLM model, @Nullable PairObjective paired, @Nullable UnpairedObjective unpaired) {
        this.model = Objects.requireNonNull(model, "model");
        this.paired = paired;
        this.unpaired = unpaired;
        this.tuner = FineTuner.of(model);
    }

    /**
     * Learning from pairs of answers.
     *
     * @param model with a tokenizer, which stays the caller's
     * @param objective such as {@link PairObjective#dpo}
     * @return the trainer
     */
    public static PreferenceTrainer of(CausalLM model, PairObjective objective) {
        return new PreferenceTrainer(model, Objects.requireNonNull(objective, "objective"), null);
    }

    /**
     * Learning from single answers that were found good or bad.
     *
     * @param model with a tokenizer, which stays the caller's
     * @param objective such as {@link UnpairedObjective#kto}
     * @return the trainer
     */
    public static PreferenceTrainer of(CausalLM model, UnpairedObjective objective) {
        return new PreferenceTrainer(model, null, Objects.requireNonNull(objective, "objective"));
    }

    /**
     * What trains.
     *
     * @param value the method with its settings; full fine-tuning when none is set
     * @return this trainer
     */
    public PreferenceTrainer strategy(FineTuningStrategy value) {
        tuner.strategy(Objects.requireNonNull(value, "strategy"));
        return this;
    }

    /**
     * Preferences to train on: pairs or single answers, as the objective needs them.
     *
     * @param value what is trained on
     * @return this trainer
     */
    public PreferenceTrainer dataset(ExampleDataset value) {
        examples = Objects.requireNonNull(value, "dataset");
        return this;
    }

    /**
     * Held-out preferences.
     *
     * @param value what is not trained on
     * @return this trainer
     */
    public PreferenceTrainer evaluation(ExampleDataset value) {
        heldOut = Objects.requireNonNull(value, "evaluation");
        return this;
    }

    /**
     * Holds out a part of the preferences where no others are set, chosen by the arguments' seed.
     *
     * @param value above 0 and below 1
     * @return this trainer
     */
    public PreferenceTrainer evaluationFraction(double value) {
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
    public PreferenceTrainer tokenization(SupervisedOptions value) {
        tokenization = Objects.requireNonNull(value, "tokenization");
        return this;
    }

    /**
     * How samples lie in rows, and how they come by a reference.
     *
     * @param value shared prompts without padding when nothing is set
     * @return this trainer
     */
    public PreferenceTrainer layout(SampleLayout value) {
        layout = Objects.requireNonNull(value, "layout");
        return this;
    }

    /**
     * Sets how to train.
     *
     * @param value the defaults when nothing is set
     * @return this trainer
     */
    public PreferenceTrainer arguments(TrainingArguments value) {
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
    public PreferenceTrainer listener(TrainingListener value) {
        tuner.listener(Objects.requireNonNull(value, "listener"));
        return this;
    }

    /**
     * Who is told the memory plan and warnings; the log when nobody is set.
     *
     * @param value is given one line each time
     * @return this trainer
     */
    public PreferenceTrainer messages(Consumer<String> value) {
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
     * @throws UserErrorException when preferences, settings and model do not fit together; the message says what to change
     */
    public TrainingResult train() {
        ExampleDataset train = examples;
        if (train == null) {
            throw new UserErrorException("there is nothing to train on: set a dataset");
        }
        ExampleDataset held = heldOut;
        if (held == null && evaluationFraction > 0) {
            DatasetSplit<ExampleDataset> split = train.split(evaluationFraction, arguments.seed());
            held = split.evaluation();
            train = split.train();
        }
        PreferenceStage stage = stage();
        TrainingDataset samples = samples(stage, train);
        TrainingDataset measured = held == null ? null : samples(stage, held);
        tuner.dataset(samples);
        if (measured != null) {
            tuner.evaluation(measured);
        }
        stage.configure(tuner, new StageData(model, samples, train, measured, held));
        return tuner.train();
    }

    private PreferenceStage stage() {
        Map<String, Object> shown = new LinkedHashMap<>();
        Path output = arguments.outputDirectory();
        SampleLayout own = layout.directory() == null && output != null ? layout.keptIn(output) : layout;
        return paired != null
                ? new PairStage("preference", paired, shown, own)
                : new UnpairedStage(
                        "preference",
                        Objects.requireNonNull(unpaired),
                        arguments.perDeviceTrainBatchSize(),
                        shown,
                        own);
    }

    private TrainingDataset samples(PreferenceStage stage, ExampleDataset preferences) {
        stage.require(preferences);
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
        return stage.samples(preferences, model, options);
    }
}
