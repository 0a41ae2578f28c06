package org.finetune4j.rlhf.verify;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.Pooling;
import org.finetune4j.rlhf.preference.PreferenceColumns;
import org.finetune4j.rlhf.reward.BradleyTerry;
import org.finetune4j.train.gradient.TokenLogprobs;
import org.jspecify.annotations.Nullable;

/**
 * Recorded token rows, padded: those of the chosen answers, then those of the rejected ones.
 *
 * @param ids [rows, length] token ids
 * @param real 1 where a token is no padding
 * @param answers 1 where a token belongs to an answer
 * @param positions of the tokens, or null where they follow from {@code real}
 */
record RecordedPairs(int[][] ids, int[][] real, int[][] answers, int @Nullable [][] positions) {

    RecordedPairs {
        if (ids.length == 0 || ids[0].length == 0) {
            throw new UserErrorException("there are no rows of token ids");
        }
        for (int[][] other : positions == null ? List.of(real, answers) : List.of(real, answers, positions)) {
            if (other.length != ids.length || other[0].length != ids[0].length) {
                throw new UserErrorException("token ids and masks have different shapes");
            }
        }
    }

    /**
     * The rows of a file. Their positions are as recorded; without a record, padding before a row counts as in transformers, whose
     * models number all tokens unless they take positions from the mask.
     *
     * @param model that is asked about them
     */
    static RecordedPairs of(RecordedTensors file, String prefix, CausalLM model) {
        int[][] ids = file.integers(prefix + "input_ids");
        int[][] real = file.integers(prefix + "attention_mask");
        int[][] positions = null;
        if (file.has(prefix + "position_ids")) {
            positions = file.integers(prefix + "position_ids");
        } else if (!PolicyAndReference.positionsFollowFromMask(model)
                && Arrays.stream(real).anyMatch(row -> row.length > 0 && row[0] == 0)) {
            int[] all = IntStream.range(0, ids[0].length).toArray();
            positions = Arrays.stream(ids).map(row -> all.clone()).toArray(int[][]::new);
        }
        return new RecordedPairs(ids, real, file.integers(prefix + "completion_mask"), positions);
    }

    /** @throws UserErrorException when the rows are no pairs */
    RecordedPairs requirePairs() {
        if (rows() % 2 != 0) {
            throw new UserErrorException(rows() + " rows are no pairs of chosen and rejected answers");
        }
        return this;
    }

    int rows() {
        return ids.length;
    }

    int pairs() {
        return ids.length / 2;
    }

    int length() {
        return ids[0].length;
    }

    /** How many tokens an answer has. */
    int answerTokens(int row) {
        return Arrays.stream(answers[row], 1, length()).sum();
    }

    /**
     * The rows as a batch.
     *
     * @param whole the rows whose prompts are labelled too
     * @param columns further columns, an array a row
     */
    Batch batch(IntPredicate whole, Map<String, float[][]> columns) {
        int size = rows() * length();
        int[] flat = new int[size];
        byte[] mask = new byte[size];
        int[] labels = new int[size];
        for (int row = 0; row < rows(); row++) {
            for (int t = 0; t < length(); t++) {
                int at = row * length() + t;
                flat[at] = ids[row][t];
                mask[at] = (byte) real[row][t];
                boolean labelled = answers[row][t] == 1 || (whole.test(row) && real[row][t] == 1);
                labels[at] = labelled ? ids[row][t] : Sample.IGNORE_INDEX;
            }
        }
        if (positions == null) {
            return new Batch(rows(), length(), flat, mask, labels).withColumns(columns);
        }
        int[] places = Arrays.stream(positions).flatMapToInt(Arrays::stream).toArray();
        return new Batch(rows(), length(), flat, mask, labels, places).withColumns(columns);
    }

    /**
     * The rows so that each pair's follow one another, with how many tokens their parts have.
     *
     * @param prompts whether the prompts of the chosen rows are labelled too
     * @param reference the reference's sums for every row of this record
     * @param tail what a token of the longer answer counts past the length of the shorter one
     */
    Batch pairs(boolean prompts, double[] reference, double tail) {
        float[][] counts = new float[rows()][];
        float[][] sums = new float[rows()][];
        for (int pair = 0; pair < pairs(); pair++) {
            int rejected = pairs() + pair;
            int own = prompts ? Arrays.stream(real[pair], 1, length()).sum() - answerTokens(pair) : 0;
            counts[2 * pair] = new float[] {own, answerTokens(pair)};
            counts[2 * pair + 1] = new float[] {answerTokens(rejected)};
            sums[2 * pair] = new float[] {0, (float) reference[pair]};
            sums[2 * pair + 1] = new float[] {(float) reference[rejected]};
        }
        Map<String, float[][]> columns = new HashMap<>();
        columns.put(PreferenceColumns.ANSWER_TOKENS, counts);
        columns.put(PreferenceColumns.REFERENCE, sums);
        if (tail != 1) {
            float[][] tails = new float[rows()][0];
            for (int row = 0; row < rows(); row += 2) {
                tails[row] = new float[] {(float) tail};
            }
            columns.put(PreferenceColumns.TAIL_WEIGHT, tails);
        }
        return ordered(order()).batch(row -> prompts && row % 2 == 0, columns);
    }

    /** The sums over the answers of each row, where tokens past the length of a pair's shorter answer count {@code tail}. */
    double[] weightedSums(CausalLM model, double tail) {
        TokenLogprobs logprobs = TokenLogprobs.of(model, batch(row -> false, Map.of()));
        double[] sums = new double[rows()];
        int[] read = new int[rows()];
        for (int token = 0; token < logprobs.size(); token++) {
            int row = logprobs.rows()[token];
            int shared = Math.min(answerTokens(row), answerTokens((row + pairs()) % rows()));
            sums[row] += logprobs.values()[token] * (read[row]++ < shared ? 1 : tail);
        }
        return sums;
    }

    /**
     * The rows so that each pair's follow one another, with the tokens at which a reward model judges them.
     *
     * @param margins how much better the chosen answers are, or null
     */
    Batch judged(Pooling pooling, double @Nullable [] margins) {
        RecordedPairs ordered = ordered(order());
        int[] last = pooling.tokens(ordered.batch(row -> false, Map.of()).modelInputs());
        float[][] ends = new float[rows()][];
        float[][] better = new float[rows()][0];
        for (int row = 0; row < rows(); row++) {
            ends[row] = new float[] {last[row]};
            if (margins != null && row % 2 == 0) {
                better[row] = new float[] {(float) margins[row / 2]};
            }
        }
        return ordered.batch(
                row -> false,
                margins == null
                        ? Map.of(BradleyTerry.ENDS, ends)
                        : Map.of(BradleyTerry.ENDS, ends, BradleyTerry.MARGIN, better));
    }

    /** The rows' numbers, chosen and rejected in turn. */
    private int[] order() {
        int[] order = new int[2 * pairs()];
        Arrays.setAll(order, i -> i % 2 == 0 ? i / 2 : pairs() + i / 2);
        return order;
    }

    private RecordedPairs ordered(int[] order) {
        return new RecordedPairs(
                pick(ids, order),
                pick(real, order),
                pick(answers, order),
                positions == null ? null : pick(positions, order));
    }

    private static int[][] pick(int[][] rows, int[] order) {
        return Arrays.stream(order).mapToObj(row -> rows[row]).toArray(int[][]::new);
    }

    /** Each of these rows followed by one of others, all padded to one length. */
    RecordedPairs interleaved(RecordedPairs others) {
        if (others.rows() != rows()) {
            throw new UserErrorException(others.rows() + " rows for the divergence of " + rows() + " examples");
        }
        int longest = Math.max(length(), others.length());
        return new RecordedPairs(
                interleaved(ids, others.ids, longest),
                interleaved(real, others.real, longest),
                interleaved(answers, others.answers, longest),
                positions == null && others.positions == null ? null : interleaved(places(), others.places(), longest));
    }

    /** The positions of all tokens, whether they follow from the mask or not. */
    private int[][] places() {
        if (positions != null) {
            return positions;
        }
        return Arrays.stream(real)
                .map(row -> {
                    int[] counted = row.clone();
                    Arrays.parallelPrefix(counted, Integer::sum);
                    return Arrays.stream(counted)
                            .map(count -> Math.max(0, count - 1))
                            .toArray();
                })
                .toArray(int[][]::new);
    }

    private static int[][] interleaved(int[][] first, int[][] second, int length) {
        List<int[]> all = new ArrayList<>();
        for (int row = 0; row < first.length; row++) {
            all.add(Arrays.copyOf(first[row], length));
            all.add(Arrays.copyOf(second[row], length));
        }
        return all.toArray(int[][]::new);
    }
}
