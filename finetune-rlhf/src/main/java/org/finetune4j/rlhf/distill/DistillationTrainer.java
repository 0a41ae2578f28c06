package org.finetune4j.rlhf.distill;

import java.nio.file.Path;
import java.util.Objects;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DatasetSplit;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.supervised.ChatTemplateRenderer;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.rollout.SamplingOptions;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.DistillationOptions;
import org.finetune4j.train.stage.StageData;
import org.jspecify.annotations.Nullable;

/**
 * Trains a student to say what a teacher says: a {@link FineTuner} with a divergence from the teacher as its loss, over the records'
 * answers and, where it is asked for, over the student's own.
 *
 * <pre>{@code
 * try (CausalLM teacher = CausalLM.load("models/SmolLM2-1.7B");
 *         CausalLM student = CausalLM.load("models/SmolLM2-135M");
 *         TrainingResult result = DistillationTrainer.of(student)
 *                 .teacher(teacher)
 *                 .options(new DistillationOptions(0.5, 1, 1))
 *                 .onPolicy(0.5, SamplingOptions.of(1, 128))
 *                 .strategy(Lora.builder().rank(16).targetModules("all-linear").build())
 *                 .dataset(InstructionDataset.load(Path.of("questions.jsonl")))
 *                 .arguments(TrainingArguments.builder().learningRate(1e-4).maxSteps(200).build())
 *                 .train()) {
 *     result.saveAdapter(Path.of("out/student"));
 * }
 * }</pre>
 */
public final class DistillationTrainer {

    private final CausalLM student;
    private final FineTuner tuner;
    private TeacherModel teacher = TeacherModel.of(null, null);
    private DistillationOptions options = DistillationOptions.DEFAULT;
    private AnswerSettings answers = new AnswerSettings(0, false, SamplingOptions.of(1, 128));
    private TopLogits.@Nullable Settings stored;
    private String named = "";
    private @Nullable ExampleDataset examples;
    private @Nullable ExampleDataset heldOut;
    private @Nullable SupervisedOptions tokenization;
    private TrainingArguments arguments = TrainingArguments.defaults();
    private double evaluationFraction;

    private DistillationTrainer(CausalLM student) {
        this.student = Objects.requireNonNull(student, "student");
        this.tuner = FineTuner.of(student);
    }

    /**
     * A trainer for a student.
     *
     * @param student with a tokenizer, which stays the caller's
     * @return the trainer
     */
    public static DistillationTrainer of(CausalLM student) {
        return new DistillationTrainer(student);
    }

    /**
     * Who is learned from; the student as its files have it when none is set.
     *
     * @param value a model with the student's tokenizer, which stays the caller's: with an adapter on it, or without
     * @return this trainer
     */
    public DistillationTrainer teacher(CausalLM value) {
        teacher = TeacherModel.of(value);
        named = value.nameOrPath();
        return this;
    }

    /**
     * A teacher that is read from its files when the training begins, and closed at its end.
     *
     * @param value directory of a model, or of an adapter that names its base
     * @return this trainer
     */
    public DistillationTrainer teacher(Path value) {
        teacher = TeacherModel.of(value.toString(), null);
        named = value.toString();
        return this;
    }

    /**
     * How student and teacher are compared.
     *
     * @param value {@link DistillationOptions#DEFAULT} when nothing is set
     * @return this trainer
     */
    public DistillationTrainer options(DistillationOptions value) {
        options = Objects.requireNonNull(value, "options");
        return this;
    }

    /**
     * Lets the student write answers itself, which the teacher then judges token by token.
     *
     * @param share of batches, from 0 (none, when nothing is set) to 1 (all; records then need no answers)
     * @param sampling how it answers, once to each prompt
     * @return this trainer
     */
    public DistillationTrainer onPolicy(double share, SamplingOptions sampling) {
        if (!(share >= 0 && share <= 1)) {
            throw new IllegalArgumentException("the share must be from 0 to 1: " + share);
        }
        answers = new AnswerSettings(share, answers.byTeacher(), sampling.withGenerations(1));
        return this;
    }

    /**
     * Lets the teacher write all answers that the student does not.
     *
     * @param sampling how it answers, once to each prompt
     * @return this trainer
     */
    public DistillationTrainer teacherAnswers(SamplingOptions sampling) {
        answers = new AnswerSettings(answers.byStudent(), true, sampling.withGenerations(1));
        return this;
    }

    /**
     * Asks the teacher once about all samples and keeps its likeliest words; a directory that holds them already needs no teacher.
     *
     * @param directory of the files
     * @param words how many of each token; 0 for as many as the files have, or 64
     * @return this trainer
     */
    public DistillationTrainer storedLogits(Path directory, int words) {
        stored = new TopLogits.Settings(Objects.requireNonNull(directory, "directory"), words, 1);
        return this;
    }

    /**
     * What trains.
     *
     * @param value the method with its settings; full fine-tuning when none is set
     * @return this trainer
     */
    public DistillationTrainer strategy(FineTuningStrategy value) {
        tuner.strategy(Objects.requireNonNull(value, "strategy"));
        return this;
    }

    /**
     * Records to train on.
     *
     * @param value prompts with answers; without where all answers are written by a model
     * @return this trainer
     */
    public DistillationTrainer dataset(ExampleDataset value) {
        examples = Objects.requireNonNull(value, "dataset");
        return this;
    }

    /**
     * Held-out records, by whose answers the student is measured.
     *
     * @param value what is not trained on
     * @return this trainer
     */
    public DistillationTrainer evaluation(ExampleDataset value) {
        heldOut = Objects.requireNonNull(value, "evaluation");
        return this;
    }

    /**
     * Holds out a part of the records where no others are set, chosen by the arguments' seed.
     *
     * @param value above 0 and below 1
     * @return this trainer
     */
    public DistillationTrainer evaluationFraction(double value) {
        evaluationFraction = value;
        return this;
    }

    /**
     * How prompts and answers are put into words; texts one after the other, conversations by the model's chat template when
     * nothing is set.
     *
     * @param value prompt, chat template and longest sample
     * @return this trainer
     */
    public DistillationTrainer tokenization(SupervisedOptions value) {
        tokenization = Objects.requireNonNull(value, "tokenization");
        return this;
    }

    /**
     * Sets how to train.
     *
     * @param value the defaults when nothing is set
     * @return this trainer
     */
    public DistillationTrainer arguments(TrainingArguments value) {
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
    public DistillationTrainer listener(TrainingListener value) {
        tuner.listener(Objects.requireNonNull(value, "listener"));
        return this;
    }

    /**
     * Who is told the memory plan and warnings; the log when nobody is set.
     *
     * @param value is given one line each time
     * @return this trainer
     */
    public DistillationTrainer messages(Consumer<String> value) {
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
     * @return the trained student and how the run went
     * @throws UserErrorException when records, settings, student and teacher do not fit together; the message says what to change
     */
    public TrainingResult train() {
        ExampleDataset train = examples;
        if (train == null) {
            throw new UserErrorException("there is nothing to train on: set a dataset");
        }
        TopLogits.Settings kept = stored;
        if (kept != null && answers.areWritten()) {
            throw new UserErrorException(
                    "stored logits are what a teacher said about the records' answers, and a model is"
                            + " to write others: set one of both");
        }
        ExampleDataset held = heldOut;
        if (held == null && evaluationFraction > 0) {
            DatasetSplit<ExampleDataset> split = train.split(evaluationFraction, arguments.seed());
            held = split.evaluation();
            train = split.train();
        }
        SupervisedOptions forms = tokenization == null ? forms() : tokenization;
        TrainingDataset samples = DistillationStage.samples(train, student, forms, answers);
        TrainingDataset measured = held == null ? null : DistillationStage.samples(held, student, forms, answers);
        tuner.dataset(samples);
        if (measured != null) {
            tuner.evaluation(measured);
        }
        DistillationStage.configure(
                tuner,
                new StageData(student, samples, train, measured, held),
                new DistillationStage.Parts(
                        options,
                        answers,
                        teacher,
                        named,
                        kept == null
                                ? null
                                : new TopLogits.Settings(kept.directory(), kept.k(), options.temperature())));
        return tuner.train();
    }

    private SupervisedOptions forms() {
        return SupervisedOptions.builder()
                .maxLength(Math.min(
                        SupervisedOptions.DEFAULT_MAX_LENGTH, student.network().maxPositions()))
                .renderer(student.chatTemplate().map(ChatTemplateRenderer::new).orElse(null))
                .build();
    }
}
