package org.finetune4j.rlhf.distill;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PlainText;
import org.finetune4j.data.format.PromptOnly;
import org.finetune4j.data.format.Supervised;
import org.finetune4j.data.supervised.PromptTokenizer;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.rollout.PromptSamples;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.gradient.DistillationOptions;
import org.finetune4j.train.objective.Score;
import org.finetune4j.train.stage.Stage;
import org.finetune4j.train.stage.StageData;
import org.finetune4j.train.stage.StageProvider;
import org.jspecify.annotations.Nullable;

/** Learning to say what a teacher says, {@code stage: distill}. */
public final class DistillationStage implements Stage {

    /** The name in configurations. */
    public static final String NAME = "distill";

    private final DistillationSettings settings;

    private DistillationStage(DistillationSettings settings) {
        this.settings = settings;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Map<String, Object> settings() {
        return settings.shown();
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        Set<Class<? extends Example>> kinds = new HashSet<>(Set.of(Supervised.class, PlainText.class));
        if (settings.writesAll()) {
            kinds.add(PromptOnly.class);
        }
        return kinds;
    }

    @Override
    public String records() {
        return settings.writesAll()
                ? "prompts, with or without an answer"
                : "prompts with their answers, conversations and plain text (prompts alone with lmbda: 1 or seq_kd: true)";
    }

    @Override
    public boolean continuesText() {
        return true;
    }

    @Override
    public void require(ExampleDataset examples) {
        if (!settings.isServed()) {
            settings.teacher().requireFiles(settings.origin());
        }
        Stage.super.require(examples);
    }

    @Override
    public List<Score> scores() {
        return Distillation.SCORES;
    }

    @Override
    public TrainingDataset samples(ExampleDataset examples, CausalLM model, SupervisedOptions options) {
        TrainingDataset own =
                samples(examples, model, options.learning(settings.trainOn(), false), settings.answers(true));
        return settings.isServed() ? new PromptsOfServer(own, examples, model, options) : own;
    }

    /** Records that a served teacher answers once they are known to be trained on; held-out ones keep their answers. */
    private record PromptsOfServer(
            TrainingDataset samples, ExampleDataset examples, CausalLM model, SupervisedOptions options)
            implements TrainingDataset {

        @Override
        public int size() {
            return samples.size();
        }

        @Override
        public Sample get(int index) {
            return samples.get(index);
        }

        @Override
        public String location(int index) {
            return samples.location(index);
        }
    }

    @Override
    public TrainingDataset batches(TrainingDataset samples, int maxLength, List<String> notes) {
        if (!(samples instanceof PromptsOfServer asked)) {
            return samples;
        }
        notes.add("the teacher at " + settings.shown().get("teacher_model_server_url") + " answers "
                + asked.examples.size() + " prompts");
        return settings.served(asked.examples, asked.model, asked.options);
    }

    /** Records with answers bring them; prompts alone are to be answered. */
    static TrainingDataset samples(
            ExampleDataset examples, CausalLM model, SupervisedOptions options, AnswerSettings answers) {
        if (!examples.kinds().equals(Set.of(PromptOnly.class))) {
            return SupervisedSamples.of(examples, model.tokenizer(), options);
        }
        int room = model.network().maxPositions() - model.virtualTokens();
        return new PromptSamples(
                examples,
                new PromptTokenizer(model.tokenizer(), options),
                Math.max(1, room - answers.sampling().maxCompletionLength()));
    }

    @Override
    public void configure(FineTuner tuner, StageData data) {
        if (!settings.isServed()) {
            settings.teacher().requireFiles(settings.origin());
        }
        configure(
                tuner,
                data,
                new Parts(
                        settings.options(),
                        settings.answers(data.trainExamples() != null),
                        settings.isServed() ? null : settings.teacher(),
                        settings.named(),
                        settings.stored()));
    }

    /**
     * What a distillation is made of.
     *
     * @param options how student and teacher are compared
     * @param answers who writes answers
     * @param teacher who is learned from, or null where samples bring what it said
     * @param named what the user calls it, or an empty text
     * @param stored where what it says is kept, or null where it is asked for every batch
     */
    record Parts(
            DistillationOptions options,
            AnswerSettings answers,
            @Nullable TeacherModel teacher,
            String named,
            TopLogits.@Nullable Settings stored) {}

    static void configure(FineTuner tuner, StageData data, Parts parts) {
        TrainingDataset heldOut =
                data.evaluation() instanceof PromptsOfServer asked ? asked.samples : data.evaluation();
        if (heldOut instanceof PromptSamples) {
            throw new UserErrorException(
                    "the held-out prompts have no answers to measure by: hold out records that have");
        }
        TrainingDataset train = data.train();
        StoredLogits stored = null;
        if (parts.stored != null && parts.teacher != null) {
            Map<String, TaughtSamples> taught = new LinkedHashMap<>();
            TaughtSamples own = new TaughtSamples(train);
            taught.put("train", own);
            tuner.dataset(own);
            train = own;
            if (data.evaluation() != null) {
                TaughtSamples measured = new TaughtSamples(data.evaluation());
                taught.put("eval", measured);
                tuner.evaluation(measured);
            }
            stored = new StoredLogits(parts.stored, taught, parts.named, parts.teacher);
        }
        Distillation objective = Distillation.of(parts.options, parts.teacher, parts.answers.areAllWritten(), stored);
        tuner.objective(objective).steps(new DistillationSteps(train, objective, parts.answers, parts.teacher, stored));
    }

    /** Distillation, as configurations name it. */
    public static final class Provider implements StageProvider {

        @Override
        public String name() {
            return NAME;
        }

        @Override
        public DistillationStage create(Settings settings) {
            return new DistillationStage(new DistillationSettings(settings));
        }
    }
}
