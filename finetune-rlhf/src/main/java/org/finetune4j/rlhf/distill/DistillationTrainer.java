package org.finetune4j.rlhf.distill;

import java.nio.file.Path;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.StageTrainer;
import org.finetune4j.rlhf.rollout.SamplingOptions;
import org.finetune4j.train.FineTuner;
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
public final class DistillationTrainer extends StageTrainer<DistillationTrainer> {

    private TeacherModel teacher = TeacherModel.of(null, null);
    private DistillationOptions options = DistillationOptions.DEFAULT;
    private AnswerSettings answers = new AnswerSettings(0, false, SamplingOptions.of(1, 128));
    private TopLogits.@Nullable Settings stored;
    private String named = "";

    private DistillationTrainer(CausalLM student) {
        super(student, "a dataset");
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

    @Override
    protected void check() {
        if (stored != null && answers.areWritten()) {
            throw new UserErrorException(
                    "stored logits are what a teacher said about the records' answers, and a model is"
                            + " to write others: set one of both");
        }
    }

    @Override
    protected TrainingDataset samples(ExampleDataset records, SupervisedOptions forms) {
        return DistillationStage.samples(records, model(), forms, answers);
    }

    @Override
    protected void configure(FineTuner training, StageData data) {
        TopLogits.Settings kept =
                stored == null ? null : new TopLogits.Settings(stored.directory(), stored.k(), options.temperature());
        DistillationStage.configure(
                training, data, new DistillationStage.Parts(options, answers, teacher, named, kept));
    }
}
