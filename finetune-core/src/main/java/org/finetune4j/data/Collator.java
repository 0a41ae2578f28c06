package org.finetune4j.data;

import com.google.common.primitives.Floats;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.Tokenizer;

/**
 * Makes a {@link Batch} of samples, padded on the right to the longest of them. The attention mask, not the token,
 * says what is padding: the padding token may be the end-of-sequence token.
 */
public final class Collator {

    private final int padTokenId;
    private final int padToMultipleOf;
    private final boolean joining;
    private final boolean sharing;

    /**
     * Pads with a token, to a length.
     *
     * @param padTokenId the token to pad with; any valid id will do
     * @param padToMultipleOf the sequence length is rounded up to a multiple of this; 1 for no rounding
     */
    public Collator(int padTokenId, int padToMultipleOf) {
        this(padTokenId, padToMultipleOf, false, false);
    }

    private Collator(int padTokenId, int padToMultipleOf, boolean joining, boolean sharing) {
        if (padTokenId < 0 || padToMultipleOf < 1) {
            throw new IllegalArgumentException("padTokenId must not be negative and padToMultipleOf must be"
                    + " positive, got " + padTokenId + " and " + padToMultipleOf);
        }
        this.padTokenId = padTokenId;
        this.padToMultipleOf = padToMultipleOf;
        this.joining = joining;
        this.sharing = sharing;
    }

    /**
     * The same, but samples follow one another in one row, so that none is padded to the length of another. Their positions
     * say where each begins; their columns are joined as they are.
     *
     * @return another collator
     */
    public Collator withoutPadding() {
        return new Collator(padTokenId, padToMultipleOf, true, sharing);
    }

    /**
     * The same, but where samples follow one another in one row, what several of them begin with and none of them learns lies there once:
     * {@link org.finetune4j.model.SequenceLayout} says how. Samples that begin alike come next to each other.
     *
     * @return another collator
     */
    public Collator sharingBeginnings() {
        return new Collator(padTokenId, padToMultipleOf, joining, true);
    }

    /**
     * Pads with the tokenizer's padding token; where it has none, with its end-of-sequence token, or token 0.
     *
     * @param tokenizer of the model that reads the batches
     * @return the collator
     */
    public static Collator of(Tokenizer tokenizer) {
        return new Collator(tokenizer.padTokenId().orElse(tokenizer.eosTokenId().orElse(0)), 1);
    }

    /**
     * Pads as a model needs it: for a classifier that knows padding by its id with that one, else with its tokenizer's.
     *
     * @param model that reads the batches
     * @return the collator
     */
    public static Collator of(CausalLM model) {
        Integer known = model.config().isSequenceClassifier() ? model.config().padTokenId() : null;
        if (known != null) {
            return new Collator(known, 1);
        }
        return model.hasTokenizer() ? of(model.tokenizer()) : new Collator(0, 1);
    }

    /**
     * Makes the samples one batch: a row each in their order, or {@linkplain #withoutPadding() all in one}.
     *
     * @param samples at least one
     * @return the batch, as long as the longest row
     * @throws IllegalArgumentException when there is no sample
     */
    public Batch collate(List<Sample> samples) {
        return joining && samples.size() > 1 ? padded(List.of(joined(samples))) : padded(samples);
    }

    private Sample joined(List<Sample> samples) {
        List<SharedBeginnings> groups =
                sharing ? SharedBeginnings.of(samples) : List.of(new SharedBeginnings(samples, 0));
        List<Sample> ordered = new ArrayList<>();
        int length = 0;
        for (SharedBeginnings group : groups) {
            ordered.addAll(group.samples());
            length += group.samples().stream().mapToInt(Sample::length).sum()
                    - group.shared() * (group.samples().size() - 1);
        }
        int[] inputIds = new int[length];
        int[] labels = new int[length];
        int[] positionIds = new int[length];
        int start = 0;
        for (SharedBeginnings group : groups) {
            int from = 0;
            for (Sample sample : group.samples()) {
                int own = sample.length() - from;
                System.arraycopy(sample.inputIds(), from, inputIds, start, own);
                System.arraycopy(sample.labels(), from, labels, start, own);
                if (from == 0) {
                    labels[start] = Sample.IGNORE_INDEX; // nothing before a sample's first token may predict it
                    setPositions(sample, positionIds, start, own, Integer.MAX_VALUE);
                } else {
                    for (int i = 0; i < own; i++) {
                        positionIds[start + i] = from + i; // a branch of the group's first sample
                    }
                }
                start += own;
                from = group.shared();
            }
        }
        Map<String, float[]> columns = new HashMap<>();
        columns(ordered).forEach((name, rows) -> columns.put(name, Floats.concat(rows)));
        return new Sample(inputIds, labels, positionIds, columns);
    }

    private Batch padded(List<Sample> samples) {
        int longest = samples.stream()
                .mapToInt(Sample::length)
                .max()
                .orElseThrow(() -> new IllegalArgumentException("a batch needs at least one sample"));
        int length = Math.multiplyExact(ceilDiv(longest, padToMultipleOf), padToMultipleOf);
        int size = Math.multiplyExact(samples.size(), length);
        int[] inputIds = new int[size]; // [batch, seq]
        byte[] attentionMask = new byte[size];
        int[] labels = new int[size];
        Arrays.fill(inputIds, padTokenId);
        Arrays.fill(labels, Sample.IGNORE_INDEX);
        int[] positionIds = samples.stream().anyMatch(sample -> sample.positionIds() != null) ? new int[size] : null;
        int last = lastPosition(samples);
        int row = 0;
        for (Sample sample : samples) {
            System.arraycopy(sample.inputIds(), 0, inputIds, row, sample.length());
            System.arraycopy(sample.labels(), 0, labels, row, sample.length());
            Arrays.fill(attentionMask, row, row + sample.length(), (byte) 1);
            if (positionIds != null) {
                setPositions(sample, positionIds, row, length, last);
            }
            row += length;
        }
        return new Batch(samples.size(), length, inputIds, attentionMask, labels, positionIds, columns(samples));
    }

    /** Every sample of a batch has the columns of the others. */
    private static Map<String, float[][]> columns(List<Sample> samples) {
        Set<String> names = samples.get(0).columns().keySet();
        for (Sample sample : samples) {
            if (!sample.columns().keySet().equals(names)) {
                throw new UserErrorException("samples of one batch have the columns " + new TreeSet<>(names) + " and "
                        + new TreeSet<>(sample.columns().keySet()) + ": every sample needs the same");
            }
        }
        Map<String, float[][]> columns = new HashMap<>();
        for (String name : names) {
            columns.put(
                    name,
                    samples.stream().map(sample -> sample.columns().get(name)).toArray(float[][]::new));
        }
        return columns;
    }

    private static int lastPosition(List<Sample> samples) {
        int last = 0;
        for (Sample sample : samples) {
            int[] own = sample.positionIds();
            int largest =
                    own == null ? sample.length() - 1 : Arrays.stream(own).max().orElse(0);
            last = Math.max(last, largest);
        }
        return last;
    }

    /**
     * The sample's own positions; padding counts on, so that it looks like no new sequence, up to the last position that a
     * model has to know anyway.
     */
    private static void setPositions(Sample sample, int[] positionIds, int row, int length, int last) {
        int[] own = sample.positionIds();
        int known = own == null ? 0 : own.length;
        if (own != null) {
            System.arraycopy(own, 0, positionIds, row, known);
        }
        for (int i = known; i < length; i++) {
            positionIds[row + i] = i == 0 || positionIds[row + i - 1] >= last ? 0 : positionIds[row + i - 1] + 1;
        }
    }

    private static int ceilDiv(int dividend, int divisor) {
        return -Math.floorDiv(-dividend, divisor);
    }
}
