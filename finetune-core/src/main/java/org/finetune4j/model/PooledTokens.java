package org.finetune4j.model;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * Which states of a batch speak for its sequences: one for each, or several on average.
 *
 * @param places of the states, counted through the batch row after row, those of one sequence beside each other
 * @param counts how many of them each sequence has
 */
public record PooledTokens(int[] places, int[] counts) {

    /**
     * One state for each sequence.
     *
     * @param places [sequences]
     * @return the same
     */
    public static PooledTokens single(int[] places) {
        int[] counts = new int[places.length];
        Arrays.fill(counts, 1);
        return new PooledTokens(places, counts);
    }

    /** All that the mask shows of each row. */
    static PooledTokens shown(ModelInputs inputs) {
        byte[] mask = inputs.attentionMask();
        int[] places =
                IntStream.range(0, mask.length).filter(at -> mask[at] == 1).toArray();
        int[] counts = new int[inputs.batchSize()];
        for (int place : places) {
            counts[place / inputs.sequenceLength()]++;
        }
        return new PooledTokens(places, counts);
    }

    /** {@return how many sequences there are} */
    public int sequences() {
        return counts.length;
    }

    /** {@return the place of the first state of each sequence, [sequences], which stands for its sequence where something is drawn} */
    public long[] first() {
        long[] first = new long[counts.length];
        int next = 0;
        for (int i = 0; i < counts.length; i++) {
            first[i] = next < places.length ? places[next] : 0; // a sequence without any token
            next += counts[i];
        }
        return first;
    }

    /**
     * The states of these places.
     *
     * @param flat [batch * states, hidden]
     * @return [places, hidden]
     */
    public Tensor of(Tensor flat) {
        return flat.indexSelect(0, Tensors.of(places, places.length).to(flat.device()));
    }

    /**
     * What speaks for each sequence.
     *
     * @param states [places, hidden], after the final norm
     * @return [sequences, hidden]
     */
    public Tensor averaged(Tensor states) {
        if (Arrays.stream(counts).allMatch(count -> count == 1)) {
            return states;
        }
        List<Tensor> own = states.split(Arrays.stream(counts).asLongStream().toArray(), 0);
        return Tensors.cat(own.stream().map(tokens -> tokens.mean(0, true)).toList(), 0);
    }
}
