package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Which tokens of which rows go through the layers together, and what each of them sees. The tokens of all rows lie one after
 * the other, so that the layers compute them at once, whatever their rows' lengths; attention takes rows that have a new token
 * each together, and those whose beginning is read by themselves.
 */
final class RowPass implements AutoCloseable {

    /**
     * New tokens of one row.
     *
     * @param count how many, virtual ones among them
     */
    record Segment(DecoderRow row, int count) {

        /** How many keys the row has with them. */
        int keys() {
            return row.keys + count;
        }

        private RowBlock block() {
            if (row.block == null) {
                throw new IllegalStateException("a row is read that has no place in the cache");
            }
            return row.block;
        }
    }

    /**
     * Neighbours in a block with equally many new tokens.
     *
     * @param firstToken the number of their first token in the pass
     * @param count new tokens of each
     * @param keys of the longest, the new ones among them
     */
    record Run(RowBlock block, int firstToken, int count, List<Segment> segments, int keys) {

        int firstSlot() {
            return segments.get(0).row.slot;
        }

        int rows() {
            return segments.size();
        }
    }

    /** What of the keys the rows of a run see: from one on, by a mask or all. */
    record Sight(int from, @Nullable Tensor mask) {}

    /** The tokens of one block. */
    record Part(RowBlock block, int firstToken, int count, List<Segment> segments) {}

    private final DecoderModel network;
    private final Device device;
    private final List<Segment> segments;
    private final List<Part> parts = new ArrayList<>();
    private final List<Run> runs = new ArrayList<>();
    private final List<Map<AttentionKind, Sight>> sights = new ArrayList<>();
    private final Map<Long, List<Tensor>> indexes = new HashMap<>();

    /** Made in the first layer that needs them, used in all. */
    private final List<Tensor> made = new ArrayList<>();

    /** @param segments of rows that have a place; their order becomes that of {@link #segments()} */
    RowPass(DecoderModel network, Device device, List<RowBlock> blocks, List<Segment> segments) {
        this.network = network;
        this.device = device;
        this.segments = new ArrayList<>(segments);
        this.segments.sort(Comparator.<Segment>comparingInt(segment -> blocks.indexOf(segment.block()))
                .thenComparing(segment -> segment.count > 1)
                .thenComparingInt(segment -> segment.row.slot));
        int token = 0;
        for (Segment segment : this.segments) {
            add(segment, token);
            token += segment.count;
        }
        parts.forEach(part -> part.block.require(
                part.segments.stream().mapToInt(Segment::keys).max().orElse(0)));
    }

    private void add(Segment segment, int token) {
        Part part = parts.isEmpty() ? null : parts.get(parts.size() - 1);
        if (part == null || part.block != segment.block()) {
            parts.add(new Part(segment.block(), token, segment.count, new ArrayList<>(List.of(segment))));
        } else {
            part.segments.add(segment);
            parts.set(
                    parts.size() - 1, new Part(part.block, part.firstToken, part.count + segment.count, part.segments));
        }
        Run run = runs.isEmpty() ? null : runs.get(runs.size() - 1);
        if (run != null && continues(run, segment)) {
            run.segments.add(segment);
            runs.set(
                    runs.size() - 1,
                    new Run(run.block, run.firstToken, run.count, run.segments, Math.max(run.keys, segment.keys())));
        } else {
            runs.add(new Run(segment.block(), token, segment.count, new ArrayList<>(List.of(segment)), segment.keys()));
            sights.add(new EnumMap<>(AttentionKind.class));
        }
    }

    private static boolean continues(Run run, Segment segment) {
        boolean oneToken = segment.count == 1 && run.count == 1;
        boolean beginnings = segment.count == run.count && segment.row.keys == 0 && run.keys == run.count;
        return run.block == segment.block()
                && segment.row.slot == run.firstSlot() + run.rows()
                && (oneToken || beginnings);
    }

    /** Whether every row has one new token. */
    boolean hasOneTokenEach() {
        return segments.stream().allMatch(segment -> segment.count == 1);
    }

    List<Segment> segments() {
        return segments;
    }

    List<Part> parts() {
        return parts;
    }

    List<Run> runs() {
        return runs;
    }

    /** Where in its block each key of a part goes, [tokens * kvHeads] int64. */
    Tensor index(int part, long kvHeads) {
        return indexes.computeIfAbsent(
                        kvHeads,
                        heads -> parts.stream().map(p -> index(p, heads)).toList())
                .get(part);
    }

    private Tensor index(Part part, long kvHeads) {
        long[] index = new long[Math.toIntExact(part.count * kvHeads)];
        int at = 0;
        long capacity = part.block.capacity();
        for (Segment segment : part.segments) {
            for (int key = segment.row.keys; key < segment.keys(); key++) {
                for (long head = 0; head < kvHeads; head++) {
                    index[at++] = (segment.row.slot * kvHeads + head) * capacity + key;
                }
            }
        }
        return kept(Tensors.of(index, index.length).to(device));
    }

    /** What the new tokens of a run see in layers of one kind. */
    Sight sight(int run, AttentionKind kind) {
        return sights.get(run).computeIfAbsent(kind, key -> sight(runs.get(run), window(key)));
    }

    private int window(AttentionKind kind) {
        return kind == AttentionKind.SLIDING ? network.slidingWindow() : Integer.MAX_VALUE;
    }

    private Sight sight(Run run, int window) {
        if (run.count > 1) {
            boolean causal = run.keys == run.count && window >= run.keys;
            return new Sight(0, causal ? null : beginning(run, window));
        }
        int shortest = run.segments.stream().mapToInt(Segment::keys).min().orElse(0);
        int from = Math.max(0, shortest - window);
        int keys = run.keys - from;
        if (shortest == run.keys && window >= keys) {
            return new Sight(from, null);
        }
        byte[] mask = new byte[run.rows() * keys];
        for (int row = 0; row < run.rows(); row++) {
            int own = run.segments.get(row).keys();
            for (int key = Math.max(0, own - window); key < own; key++) {
                mask[row * keys + key - from] = 1;
            }
        }
        return new Sight(from, onDevice(mask, run.rows(), 1, 1, keys));
    }

    /** Several new tokens of one row, or of rows that begin: each sees itself and what comes before it, within the window. */
    private Tensor beginning(Run run, int window) {
        byte[] mask = new byte[Math.multiplyExact(run.count, run.keys)];
        for (int query = 0; query < run.count; query++) {
            int own = run.keys - run.count + query;
            for (int key = own + 1 - Math.min(window, own + 1); key <= own; key++) {
                mask[query * run.keys + key] = 1;
            }
        }
        return onDevice(mask, 1, 1, run.count, run.keys);
    }

    private Tensor onDevice(byte[] mask, long... shape) {
        return kept(Tensors.of(mask, shape).to(DType.BOOL).to(device));
    }

    private Tensor kept(Tensor tensor) {
        made.add(tensor.unscoped());
        return tensor;
    }

    @Override
    public void close() {
        made.forEach(Tensor::close);
        made.clear();
        indexes.clear();
        sights.forEach(Map::clear);
    }
}
