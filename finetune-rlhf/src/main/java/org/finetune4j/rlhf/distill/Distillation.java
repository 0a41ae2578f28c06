package org.finetune4j.rlhf.distill;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.IndexRange;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.DistillationLoss;
import org.finetune4j.train.gradient.DistillationOptions;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.gradient.ModelTeacher;
import org.finetune4j.train.gradient.Teacher;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Measurement;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.objective.Ranks;
import org.finetune4j.train.objective.Score;
import org.jspecify.annotations.Nullable;

/**
 * To say what a teacher says about the labelled tokens. Batches that bring what the teacher said are learned from without it.
 */
final class Distillation implements Objective {

    /** By these the best model can be chosen. */
    static final List<Score> SCORES =
            List.of(new Score(DistillationLoss.CROSS_ENTROPY, false), new Score(DistillationLoss.DIVERGENCE, false));

    private final DistillationOptions options;
    private final @Nullable TeacherModel source;
    private final @Nullable Teacher teacher;
    private final boolean answersItself;
    private final @Nullable StoredLogits stored;

    private Distillation(
            DistillationOptions options,
            @Nullable TeacherModel source,
            @Nullable Teacher teacher,
            boolean answersItself,
            @Nullable StoredLogits stored) {
        this.options = options;
        this.source = source;
        this.teacher = teacher;
        this.answersItself = answersItself;
        this.stored = stored;
    }

    /**
     * Learns from a teacher.
     *
     * @param source the teacher, opened when a training begins; null where all samples bring what it said
     * @param answersItself whether samples need no answers because a model writes them
     * @param stored keeps what it says about samples, which is then asked once; null where it is asked for every batch
     */
    static Distillation of(
            DistillationOptions options,
            @Nullable TeacherModel source,
            boolean answersItself,
            @Nullable StoredLogits stored) {
        return new Distillation(options, source, null, answersItself, stored);
    }

    @Override
    public Objective on(CausalLM model, AttachedStrategy method, Ranks ranks) {
        if (stored != null) {
            stored.know(model, ranks);
            return this;
        }
        return source == null
                ? this
                : new Distillation(options, source, new ModelTeacher(source.open(model)), answersItself, null);
    }

    @Override
    public long companionBytes(CausalLM model) {
        long comparison = DistillationLoss.bytes(
                model.network().outputLayer().outFeatures(),
                model.computeDType().itemSize());
        return comparison + (source == null || stored != null ? 0 : source.bytes(model));
    }

    @Override
    public boolean isSumOverRows(Batch batch) {
        return true;
    }

    @Override
    public long count(Batch batch) {
        return batch.labelledTokens();
    }

    @Override
    public boolean teaches(Sample sample) {
        return answersItself || sample.labelledTokens() > 0;
    }

    @Override
    public void require(DecoderModel network, Sample sample) {
        IndexRange.require(
                "token id",
                sample.inputIds(),
                sample.length(),
                network.inputEmbedding().count());
        LanguageModelLoss.of(network, new Collator(0, 1).collate(List.of(sample)), 1);
    }

    @Override
    public DistillationLoss head(DecoderModel network, Batch batch, double scale) {
        return new DistillationLoss(network, batch, scale, options, teacher(batch));
    }

    private Teacher teacher(Batch batch) {
        if (StoredTeacher.isIn(batch)) {
            return StoredTeacher.INSTANCE;
        }
        if (teacher == null) {
            throw new UserErrorException("there is no teacher to ask about a batch that does not bring what it said");
        }
        return teacher;
    }

    /** Held-out samples that bring nothing are measured by their labels where there is no teacher to ask. */
    @Override
    public Objective forEvaluation() {
        return source == null && stored == null ? new CrossEntropy(LossOptions.crossEntropy()) : this;
    }

    @Override
    public Measurement measurement() {
        return new Means();
    }

    /** The divergence and the cross entropy over all held-out tokens. */
    private final class Means implements Measurement {

        private final Map<String, Average> seen = new LinkedHashMap<>();

        @Override
        public LossHead head(DecoderModel network, Batch batch) {
            DistillationLoss loss = Distillation.this.head(network, batch, 1);
            return new LossHead() {
                @Override
                public Result apply(Tensor hiddenStates, SequenceContext context, boolean wantGradient) {
                    Result result = loss.apply(hiddenStates, context, wantGradient);
                    Average.addAll(seen, loss.metrics());
                    return result;
                }
            };
        }

        @Override
        public Map<String, Double> scores() {
            return Average.means(seen);
        }
    }

    @Override
    public String toString() {
        return "distillation by " + options + " from " + Objects.requireNonNullElse(source, "stored logits");
    }
}
