package org.finetune4j.rlhf.reward;

import java.util.Arrays;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.Pooling;
import org.finetune4j.rlhf.pair.TokenizedPair;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.gradient.PooledLoss;
import org.finetune4j.train.objective.Objective;
import org.jspecify.annotations.Nullable;

/**
 * How unlikely a model finds what people preferred (Bradley and Terry 1952; Ouyang et al. 2022): the mean over pairs of
 * {@code -log sigmoid(r(chosen) - r(rejected) - margin)}, plus the centring coefficient times the square of the sum of both
 * rewards, which keeps them around 0 (Eisenstein et al. 2023).
 *
 * <p>A batch says in the column {@value #ENDS} where the tokens are that speak for its answers, chosen and rejected in turn,
 * and may have a {@value #MARGIN} for every pair.
 *
 * @param centring the coefficient, 0 for none
 */
public record BradleyTerry(double centring) implements Objective {

    /** The column of the tokens, in their row, at which answers are judged. */
    public static final String ENDS = "answer_ends";

    /** The column of how much better the chosen answer is. */
    public static final String MARGIN = "margin";

    /**
     * Refuses a coefficient that is none.
     *
     * @param centring the coefficient, 0 for none
     * @throws IllegalArgumentException when it is negative or no number
     */
    public BradleyTerry {
        if (!(centring >= 0)) {
            throw new IllegalArgumentException("centring must not be negative: " + centring);
        }
    }

    /**
     * The sample of a pair: both answers in one row, which may share the tokens that they begin with.
     *
     * @param pair the tokens
     * @param pooling of the model that judges
     * @param shared how many tokens are there once, at most {@link TokenizedPair#common()}
     * @return the sample without a margin
     */
    public static Sample sample(TokenizedPair pair, Pooling pooling, int shared) {
        int chosen = end(pooling, pair.chosen().ids());
        int rejected = end(pooling, pair.rejected().ids());
        int branch = pair.chosen().ids().length - shared;
        // Padding at the end of an answer is passed over, and nothing but what both share may be left of it.
        return pair.row(shared).with(ENDS, chosen, rejected < shared ? rejected : branch + rejected);
    }

    private static int end(Pooling pooling, int[] ids) {
        return pooling.tokens(ModelInputs.of(ids))[0];
    }

    /** The number of pairs. */
    @Override
    public long count(Batch batch) {
        return Arrays.stream(batch.column(ENDS)).mapToLong(row -> row.length).sum() / 2;
    }

    @Override
    public boolean isSumOverRows(Batch batch) {
        return true;
    }

    @Override
    public boolean teaches(Sample sample) {
        return sample.columns().containsKey(ENDS);
    }

    @Override
    public LossHead head(DecoderModel network, Batch batch, double scale) {
        return head(network, batch, scale, rewards -> {});
    }

    @Override
    public PairwiseMeasurement measurement() {
        return new PairwiseMeasurement(this);
    }

    /** @param told is given the rewards, chosen and rejected in turn */
    LossHead head(DecoderModel network, Batch batch, double scale, Consumer<float[]> told) {
        if (network.pooling() == null || network.outputLayer().outFeatures() != 1) {
            throw new UserErrorException(
                    "this model gives no reward: load it as a classifier of sequences with one label");
        }
        int[] ends = ends(batch);
        float @Nullable [] margins = margins(batch, ends.length / 2);
        return PooledLoss.of(network, ends, scale, ends.length / 2, scores -> {
            Tensor rewards = scores.reshape(-1, 2); // [pairs, chosen and rejected]
            told.accept(rewards.detach().to(DType.FLOAT32).toFloatArray());
            return loss(rewards.select(1, 0), rewards.select(1, 1), margins);
        });
    }

    private Tensor loss(Tensor chosen, Tensor rejected, float @Nullable [] margins) {
        Tensor difference = chosen.sub(rejected); // [pairs]
        Tensor lead = margins == null
                ? difference
                : difference.sub(Tensors.of(margins, margins.length)
                        .to(difference.dtype())
                        .to(difference.device()));
        // -log sigmoid(x) = max(-x, 0) + log(1 + exp(-|x|)) does not overflow.
        Tensor loss = Functional.relu(lead.neg())
                .add(lead.abs().neg().exp().add(1).log())
                .sum();
        return centring == 0
                ? loss
                : loss.add(chosen.add(rejected).square().sum().mul(centring));
    }

    private static int[] ends(Batch batch) {
        float[][] rows = batch.column(ENDS);
        int[] places = new int[Arrays.stream(rows).mapToInt(row -> row.length).sum()];
        int next = 0;
        for (int row = 0; row < rows.length; row++) {
            for (float end : rows[row]) {
                if (!(end >= 0 && end < batch.sequenceLength()) || end != (int) end) {
                    throw new UserErrorException(
                            "answer_ends: " + end + " is no token of a row of " + batch.sequenceLength() + " tokens");
                }
                places[next++] = row * batch.sequenceLength() + (int) end;
            }
        }
        if (next % 2 != 0) {
            throw new UserErrorException(
                    "the batch has " + next + " answers, expected a chosen and a rejected one of each pair");
        }
        return places;
    }

    private static float @Nullable [] margins(Batch batch, int pairs) {
        float[][] rows = batch.columns().get(MARGIN);
        if (rows == null) {
            return null;
        }
        float[] margins = new float[pairs];
        int next = 0;
        for (float[] row : rows) {
            for (float margin : row) {
                if (next == pairs || !Float.isFinite(margin)) {
                    throw new UserErrorException("margin: expected " + pairs + " finite numbers, one for each pair");
                }
                margins[next++] = margin;
            }
        }
        if (next != pairs) {
            throw new UserErrorException("margin: " + next + " numbers for " + pairs + " pairs");
        }
        return margins;
    }
}
