package org.finetune4j.model;

import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.AttentionView;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.KeyValueCache;
import org.finetune4j.nn.PackedWeights;
import org.finetune4j.nn.Prompt;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.RotaryFrequencies;
import org.finetune4j.nn.Rotation;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.SequenceRun;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Makes what the layers of a model share about a batch: positions, rotations and masks, once for every kind of attention
 * that the model has.
 */
final class ContextFactory {

    private final DecoderModel network;
    private final String origin;
    private final Device device;
    private final DType computeDType;
    private final boolean packed;

    /**
     * @param origin what messages call the model's configuration
     * @param packed whether weights lie packed
     */
    ContextFactory(DecoderModel network, String origin, Device device, DType computeDType, boolean packed) {
        this.network = network;
        this.origin = origin;
        this.device = device;
        this.computeDType = computeDType;
        this.packed = packed;
    }

    /** The context of a whole batch, after a prompt where there is one. */
    SequenceContext start(ModelInputs inputs, @Nullable Prompt prompt, @Nullable KeyValueCache cache) {
        int[] positions = inputs.positions();
        int seq = inputs.sequenceLength();
        boolean alone = prompt == null && cache == null && network.isCausal();
        Visibility visibility = kind -> {
            List<SequenceRun> runs = alone ? SequenceRuns.of(inputs, positions, window(kind), device) : null;
            if (runs != null) {
                return new AttentionView(null, null, true, runs);
            }
            Tensor tokens = AttentionMask.of(inputs, positions, network.isCausal(), window(kind));
            return masked(
                    prompt == null
                            ? tokens
                            : PromptLayout.starting(tokens, positions, seq, prompt, window(kind), network.isCausal()));
        };
        if (prompt instanceof Prompt.Embeddings virtual) {
            ModelInputs longer = inputs.withVirtual(virtual.length());
            int[] all = longer.positions();
            // Where tokens see those after them, virtual ones do: they are tokens as all others.
            Visibility both = kind -> masked(AttentionMask.of(longer, all, false, window(kind)));
            return create(inputs, all, network.isCausal() ? visibility : both, cache, null)
                    .withVirtualEmbeddings(virtual.embeddings());
        }
        int[] all = PromptLayout.shifted(positions, prompt == null ? 0 : prompt.length());
        return create(inputs, all, visibility, cache, null);
    }

    /**
     * The context of new tokens whose cache knows by itself what each of them sees.
     *
     * @param virtual how many virtual tokens come before those of every row
     * @param lengths how many tokens each row's sequence has, virtual ones not counted, or null for as many as the longest
     *     has with these
     */
    SequenceContext within(ModelInputs inputs, int virtual, KeyValueCache cache, int @Nullable [] lengths) {
        int[] all = lengths == null ? null : PromptLayout.shifted(lengths, virtual);
        return create(inputs, PromptLayout.shifted(inputs.positions(), virtual), kind -> masked(null), cache, all);
    }

    /** Says what one kind of attention sees, without the rotation. */
    private interface Visibility {
        AttentionView of(AttentionKind kind);
    }

    private AttentionView masked(@Nullable Tensor mask) {
        return new AttentionView(null, mask == null ? null : mask.to(device), network.isCausal());
    }

    /**
     * @param positions [batch, seq] of all that runs through the layers
     * @param lengths of the rows, where each is rotated by its own
     */
    private SequenceContext create(
            ModelInputs inputs,
            int[] positions,
            Visibility visibility,
            @Nullable KeyValueCache cache,
            int @Nullable [] lengths) {
        int seq = positions.length / inputs.batchSize();
        int[] distinct = sameInAllRows(positions, seq) ? Arrays.copyOf(positions, seq) : positions;
        int rows = distinct.length / seq;
        int longest = Arrays.stream(positions).max().orElse(0) + 1;
        if (longest > network.maxPositions()) {
            throw new UserErrorException("a sequence of " + longest + " tokens is longer than the "
                    + network.maxPositions() + " that " + origin + " allows (max_position_embeddings)");
        }
        IdentityHashMap<RotaryFrequencies, Rotation> rotations = new IdentityHashMap<>();
        Map<AttentionKind, AttentionView> views = new EnumMap<>(AttentionKind.class);
        for (AttentionKind kind : network.attentionKinds()) {
            RotaryEmbedding rotary = network.rotaryEmbedding(kind);
            Rotation rotation = null;
            if (rotary != null && lengths != null && !isAlike(rotary, lengths)) {
                rotation = byRows(rotary, positions, lengths);
            } else if (rotary != null) {
                RotaryFrequencies frequencies = rotary.frequencies(lengths == null ? longest : lengths[0]);
                rotation = rotations.computeIfAbsent(
                        frequencies, f -> Rotation.of(f, distinct, rows, device, computeDType));
            }
            AttentionView seen = visibility.of(kind);
            views.put(kind, new AttentionView(rotation, seen.mask(), seen.causal(), seen.runs()));
        }
        int[] types = inputs.tokenTypeIds();
        if (types != null && network.tokenTypes() > 0) {
            IndexRange.require("token type id", types, inputs.sequenceLength(), network.tokenTypes());
        }
        SequenceContext context = new SequenceContext(
                onDevice(distinct, rows, seq),
                types == null ? null : onDevice(types, inputs.batchSize(), inputs.sequenceLength()),
                views,
                cache,
                null,
                null,
                null,
                null,
                Dropout.OFF,
                null,
                null);
        // What lies packed needs no room for copies.
        return packed ? context.withPackedWeights(new PackedWeights(0)) : context;
    }

    private Tensor onDevice(int[] values, int rows, int seq) {
        return Tensors.of(values, rows, seq).to(DType.INT64).to(device);
    }

    private int window(AttentionKind kind) {
        return kind == AttentionKind.SLIDING ? network.slidingWindow() : AttentionMask.UNLIMITED;
    }

    /** Whether sequences of all these lengths are rotated at the same speeds. */
    @SuppressWarnings("ReferenceEquality")
    private static boolean isAlike(RotaryEmbedding rotary, int[] lengths) {
        RotaryFrequencies first = rotary.frequencies(lengths[0]);
        return Arrays.stream(lengths)
                .allMatch(length ->
                        length == lengths[0] || rotary.frequencies(length).equals(first));
    }

    private Rotation byRows(RotaryEmbedding rotary, int[] positions, int[] lengths) {
        Map<Integer, RotaryFrequencies> speeds = new HashMap<>();
        return Rotation.of(
                row -> speeds.computeIfAbsent(lengths[row], rotary::frequencies),
                positions,
                lengths.length,
                device,
                computeDType);
    }

    private static boolean sameInAllRows(int[] positions, int seq) {
        for (int i = seq; i < positions.length; i++) {
            if (positions[i] != positions[i - seq]) {
                return false;
            }
        }
        return true;
    }
}
