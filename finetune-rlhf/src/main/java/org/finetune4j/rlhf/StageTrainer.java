package org.finetune4j.rlhf;

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
 * What all trainings have in common that learn from more than texts: a {@link FineTuner}, whose loop, checkpoints, listeners and
 * reports they share, with records, an objective and steps of their own.
 *
 * @param <T> the trainer itself
 */
public abstract class StageTrainer<T extends StageTrainer<T>> {

    private final CausalLM model;
    private final String records;
    private final FineTuner tuner;
    private @Nullable ExampleDataset examples;
    private @Nullable ExampleDataset heldOut;
    private @Nullable SupervisedOptions tokenization;
    private TrainingArguments arguments = TrainingArguments.defaults();
    private double evaluationFraction;

    /**
     * A trainer for a model, which stays the caller's.
     *
     * @param model with a tokenizer
     * @param records what the trainer calls what it is to be given
     */
    protected StageTrainer(CausalLM model, String records) {
        this.model = Objects.requireNonNull(model, "model");
        this.records = records;
        this.tuner = FineTuner.of(model);
    }

    @SuppressWarnings("unchecked") // T is the class that extends this one
    private T self() {
        return (T) this;
    }

    /** {@return the model that trains} */
    protected final CausalLM model() {
        return model;
    }

    /** {@return how to train} */
    protected final TrainingArguments arguments() {
        return arguments;
    }

    /**
     * What trains on the model.
     *
     * @param value the method with its settings; full fine-tuning when none is set
     * @return this trainer
     */
    public final T strategy(FineTuningStrategy value) {
        tuner.strategy(Objects.requireNonNull(value, "strategy"));
        return self();
    }

    /**
     * Records to train on.
     *
     * @param value of the kind that the trainer learns from
     * @return this trainer
     */
    public final T dataset(ExampleDataset value) {
        examples = Objects.requireNonNull(value, "dataset");
        return self();
    }

    /**
     * Held-out records.
     *
     * @param value what is not trained on
     * @return this trainer
     */
    public final T evaluation(ExampleDataset value) {
        heldOut = Objects.requireNonNull(value, "evaluation");
        return self();
    }

    /**
     * Holds out a part of the records where no others are set, chosen by the arguments' seed.
     *
     * @param value above 0 and below 1
     * @return this trainer
     */
    public final T evaluationFraction(double value) {
        evaluationFraction = value;
        return self();
    }

    /**
     * How prompts and answers are put into words; texts one after the other, conversations by the model's chat template when
     * nothing is set.
     *
     * @param value prompt, chat template and longest sample
     * @return this trainer
     */
    public final T tokenization(SupervisedOptions value) {
        tokenization = Objects.requireNonNull(value, "tokenization");
        return self();
    }

    /**
     * Sets how to train.
     *
     * @param value the defaults when nothing is set
     * @return this trainer
     */
    public final T arguments(TrainingArguments value) {
        arguments = Objects.requireNonNull(value, "arguments");
        tuner.arguments(value);
        return self();
    }

    /**
     * Adds a listener.
     *
     * @param value is told what happens, after those added before
     * @return this trainer
     */
    public final T listener(TrainingListener value) {
        tuner.listener(Objects.requireNonNull(value, "listener"));
        return self();
    }

    /**
     * Who is told the memory plan and warnings; the log when nobody is set.
     *
     * @param value is given one line each time
     * @return this trainer
     */
    public final T messages(Consumer<String> value) {
        tuner.messages(Objects.requireNonNull(value, "messages"));
        return self();
    }

    /** Asks a running {@link #train} to stop after the present step, with a checkpoint. Any thread may ask. */
    public final void requestStop() {
        tuner.requestStop();
    }

    /**
     * Trains.
     *
     * @return the trained model and how the run went
     * @throws UserErrorException when records, settings and model do not fit together; the message says what to change
     */
    public final TrainingResult train() {
        ExampleDataset train = examples;
        if (train == null) {
            throw new UserErrorException("there is nothing to train on: set " + records);
        }
        ExampleDataset held = heldOut;
        if (held == null && evaluationFraction > 0) {
            DatasetSplit<ExampleDataset> split = train.split(evaluationFraction, arguments.seed());
            held = split.evaluation();
            train = split.train();
        }
        SupervisedOptions forms = tokenization == null ? forms() : tokenization;
        check();
        TrainingDataset samples = samples(train, forms);
        TrainingDataset measured = held == null ? null : samples(held, forms);
        tuner.dataset(samples);
        if (measured != null && measuresSamples()) {
            tuner.evaluation(measured);
        }
        configure(tuner, new StageData(model, samples, train, measured, held));
        return tuner.train();
    }

    private SupervisedOptions forms() {
        return SupervisedOptions.builder()
                .maxLength(Math.min(longestSample(), model.network().maxPositions()))
                .renderer(model.chatTemplate().map(ChatTemplateRenderer::new).orElse(null))
                .build();
    }

    /** {@return the longest sample in tokens where nothing is set, beside what the model can read} */
    protected int longestSample() {
        return SupervisedOptions.DEFAULT_MAX_LENGTH;
    }

    /** {@return whether held-out samples are measured as they are, and not what the model answers to them} */
    protected boolean measuresSamples() {
        return true;
    }

    /**
     * Looks at the settings before a record is read.
     *
     * @throws UserErrorException when they contradict each other
     */
    protected void check() {}

    /**
     * Makes samples of records.
     *
     * @param records to train on, or to measure by
     * @param forms how they are put into words
     * @return the samples
     * @throws UserErrorException when the records are of another kind
     */
    protected abstract TrainingDataset samples(ExampleDataset records, SupervisedOptions forms);

    /**
     * Gives the training its objective, and steps where they are its own.
     *
     * @param training has the samples
     * @param data of the training
     */
    protected abstract void configure(FineTuner training, StageData data);
}
