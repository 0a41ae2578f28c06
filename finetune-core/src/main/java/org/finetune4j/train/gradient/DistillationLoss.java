package org.finetune4j.train.gradient;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.VocabularyShard;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * How far a student's distributions of the labelled tokens are from its teacher's, and how unlikely it finds the labels. One sweep
 * over the rows: student and teacher score the same few tokens, the derivative goes back, and the scores are gone.
 */
public final class DistillationLoss implements LossHead {

    /** The column of rows that the student wrote itself, with a number above 0: they have no labels to learn. */
    public static final String WRITTEN_BY_STUDENT = "written_by_student";

    /** The divergence from the teacher, in reports. */
    public static final String DIVERGENCE = "distillation";

    /** The cross entropy of the labels, in reports. */
    public static final String CROSS_ENTROPY = "cross_entropy";

    /** Scores that are compared at once, where that are not too few rows. */
    private static final long BLOCK_SCORES = 1 << 20;

    private static final long FEWEST_ROWS = 8;

    /** Matrices of a block's scores that are in memory at one time. */
    private static final long MATRICES = 25;

    private final Batch batch;
    private final LabelledRows rows;
    private final double scale;
    private final DistillationOptions options;
    private final Teacher teacher;
    private final @Nullable VocabularyShard shard;
    private Map<String, Average> metrics = Map.of();

    /**
     * The loss of one batch: the sum over its labelled tokens times {@code scale}.
     *
     * @param network the student's layers
     * @param batch the tokens and their labels
     * @param scale what the sum is multiplied by
     * @param options how both are compared
     * @param teacher is asked when the student's layers have run
     * @throws org.finetune4j.UserErrorException when the model is a classifier, or a label is not in its vocabulary
     */
    public DistillationLoss(
            DecoderModel network, Batch batch, double scale, DistillationOptions options, Teacher teacher) {
        this.batch = batch;
        this.rows = LabelledRows.of(network, batch);
        this.scale = scale;
        this.options = options;
        this.teacher = teacher;
        this.shard = network.vocabularyShard();
    }

    /**
     * What a comparison takes beside the student's scores and their derivative: the teacher's scores, and what is made of a block of both.
     *
     * @param vocabulary words that are scored
     * @param itemSize bytes of a score
     * @return bytes
     */
    public static long bytes(long vocabulary, int itemSize) {
        long block = Math.max(FEWEST_ROWS * vocabulary, BLOCK_SCORES);
        return itemSize * LanguageModelLoss.rowsAtOnce(vocabulary) * vocabulary + Float.BYTES * MATRICES * block;
    }

    @Override
    public double share() {
        return rows.count() * scale;
    }

    @Override
    public Map<String, Average> metrics() {
        return metrics;
    }

    @Override
    public Result apply(Tensor hiddenStates, SequenceContext context, boolean wantGradient) {
        return rows.apply(hiddenStates, context, wantGradient, scores -> {
            Sums sums = new Sums();
            boolean[] written = writtenByStudent();
            double loss = rows.count() == 0
                    ? 0
                    : teacher.under(batch, said -> {
                        if (wantGradient) {
                            try (Autograd.Mode mode = Autograd.enabled()) {
                                scores.backward((logits, target, start) -> {
                                    Tensor derivative = Tensors.empty(logits.dtype(), logits.device(), logits.shape());
                                    sums.add(logits, target, start, said, written, derivative);
                                    return derivative;
                                });
                            }
                        } else {
                            scores.forEach(
                                    (logits, target, start) -> sums.add(logits, target, start, said, written, null));
                        }
                        return sums.loss;
                    });
            metrics = sums.averages();
            return loss * scale;
        });
    }

    /** The scores of some tokens for all words, of which ranks may have some each: teacher and student are compared as wholes. */
    private Tensor allWords(Tensor logits) {
        return shard == null ? logits : shard.gather(logits);
    }

    private Tensor ownWords(Tensor derivative) {
        return shard == null ? derivative : shard.of(derivative, 1);
    }

    /** Of each labelled token, whether the student wrote it. */
    private boolean[] writtenByStudent() {
        boolean[] written = new boolean[rows.count()];
        float[][] column = batch.columns().get(WRITTEN_BY_STUDENT);
        if (column != null) {
            int[] sequences = rows.logprobs(new double[written.length]).rows();
            for (int i = 0; i < written.length; i++) {
                float[] own = column[sequences[i]];
                written[i] = own.length > 0 && own[0] > 0;
            }
        }
        return written;
    }

    /** What the pieces add up to. */
    private final class Sums {

        private final GeneralizedDivergence divergence =
                new GeneralizedDivergence(options.beta(), options.temperature());
        private double loss;
        private double divergences;
        private double crossEntropies;
        private int tokens;
        private int labels;

        /**
         * Adds some tokens, a block after the other: a comparison makes some twenty matrices as large as its scores.
         *
         * @param logits [tokens, own words]
         * @param derivative is set to d(loss) / d(logits), of the same shape; null where nobody wants it
         */
        void add(
                Tensor logits,
                Tensor target,
                int start,
                Teacher.Scores said,
                boolean[] written,
                @Nullable Tensor derivative) {
            int tokens = Math.toIntExact(target.size(0));
            TeacherDistribution distribution = said.of(start, tokens);
            // By the words of all ranks, whose shares may differ by one: all of them gather as many blocks.
            long words = shard == null ? logits.size(1) : shard.whole();
            int block = (int) Math.max(FEWEST_ROWS, BLOCK_SCORES / words);
            for (int from = 0; from < tokens; from += block) {
                int count = Math.min(block, tokens - from);
                try (TensorScope scope = TensorScope.open()) {
                    Tensor own = ownWords(of(
                            allWords(logits.narrow(0, from, count)),
                            target.narrow(0, from, count),
                            start + from,
                            distribution.narrow(from, count),
                            written));
                    if (derivative != null) {
                        derivative.narrow(0, from, count).copyInPlace(own);
                    }
                }
            }
        }

        /** Adds a block; gives d(loss) / d(logits). */
        private Tensor of(
                Tensor logits, Tensor target, int start, TeacherDistribution distribution, boolean[] written) {
            int count = Math.toIntExact(target.size(0));
            Tensor all = logits.to(logits.dtype().atLeastFloat32()); // [tokens, words]
            Tensor compared = common(all, distribution);
            GeneralizedDivergence.Value value = divergence.of(compared, within(distribution, compared.size(1)));
            Tensor logprobs = Functional.logSoftmax(all, -1);
            double[] unlikely =
                    GeneralizedDivergence.numbers(logprobs.gather(1, target).neg());
            double[] away = GeneralizedDivergence.numbers(value.losses());
            double[] weights = new double[count];
            boolean[] silent = silent(distribution, count);
            boolean learnsLabels = false;
            for (int i = 0; i < count; i++) {
                weights[i] = written[start + i] ? 0 : silent[i] ? 1 : 1 - options.alpha();
                learnsLabels |= weights[i] > 0;
                loss += (1 - weights[i]) * away[i] + (weights[i] == 0 ? 0 : weights[i] * unlikely[i]);
                divergences += away[i];
                crossEntropies += written[start + i] ? 0 : unlikely[i];
                labels += written[start + i] ? 0 : 1;
            }
            tokens += count;
            Tensor derivative = widened(value.derivative(), all);
            if (learnsLabels) {
                Tensor ofLabels = Tensors.of(weights, count, 1).to(all.dtype()).to(all.device()); // [tokens, 1]
                derivative = derivative.mulInPlace(ofLabels.neg().addInPlace(1));
                derivative
                        .addInPlace(logprobs.expInPlace().mulInPlace(ofLabels))
                        .scatterAddInPlace(1, target, ofLabels.neg());
            }
            return derivative.mulInPlace(scale).to(logits.dtype());
        }

        Map<String, Average> averages() {
            Map<String, Average> averages = new LinkedHashMap<>();
            averages.put(DIVERGENCE, new Average(divergences, tokens));
            if (labels > 0) {
                averages.put(CROSS_ENTROPY, new Average(crossEntropies, labels));
            }
            return averages;
        }
    }

    /** Of each token, whether the teacher named no word: then its label is learned. */
    private static boolean[] silent(TeacherDistribution said, int count) {
        boolean[] silent = new boolean[count];
        if (said instanceof TeacherDistribution.Likeliest named) {
            double[] largest = GeneralizedDivergence.numbers(named.logprobs().max(1, true));
            for (int i = 0; i < count; i++) {
                silent[i] = !(largest[i] > TeacherDistribution.Likeliest.NONE);
            }
        }
        return silent;
    }

    /** The scores of the words that both score: output layers are padded to round numbers. */
    private static Tensor common(Tensor student, TeacherDistribution said) {
        return said instanceof TeacherDistribution.AllWords all && all.logits().size(1) < student.size(1)
                ? student.narrow(1, 0, all.logits().size(1))
                : student;
    }

    private static TeacherDistribution within(TeacherDistribution said, long words) {
        return said instanceof TeacherDistribution.AllWords all && all.logits().size(1) > words
                ? new TeacherDistribution.AllWords(all.logits().narrow(1, 0, words))
                : said;
    }

    private static Tensor widened(Tensor derivative, Tensor like) {
        if (derivative.size(1) == like.size(1)) {
            return derivative;
        }
        Tensor all = Tensors.zeros(derivative.dtype(), derivative.device(), like.shape());
        all.narrow(1, 0, derivative.size(1)).copyInPlace(derivative);
        return all;
    }
}
