package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Gathers the {@link ShardedValue sharded} parameters of each segment before it runs and lets them go after it, so that a
 * process holds its part of the model, and two layers, the embedding and the head as a whole. Layers gather into two memories in
 * turn: while one runs, what the last pass needed after it is on its way already.
 *
 * <p>Autograd remembers the memory, not what was in it: before a segment's backward pass it is filled as it was. After it the
 * gradients of the whole are added up over all processes, and each keeps those of its part. A process takes part in that even
 * if its batch gave a parameter none, as that of an expert that saw no token.
 *
 * <p>A table that is both embedding and output layer is gathered once a pass and kept. Its gradients are added up when the first
 * segment that has it has gone back, the last one to do so.
 */
public final class GatheredShards implements Residency, AutoCloseable {

    private record Slot(int turn, String path, DType dtype, Device device, long numel) {

        Slot(int turn, String path, ShardedValue value) {
            this(turn, path, value.dtype(), value.device(), value.gatheredNumel());
        }
    }

    /** A piece of memory and whose values are in it. */
    private static final class Memory {
        final Tensor tensor;

        @Nullable
        ShardedValue content;

        Memory(Tensor tensor) {
            this.tensor = tensor;
        }

        private @Nullable Runnable arriving;

        /** Whether the content came before it was asked for. */
        private boolean isEarly;

        /** Lets a value be here, which it may be already. */
        void fill(ShardedValue value) {
            arrive();
            if (content != value || !isEarly) {
                content = null;
                value.gatherInto(tensor);
                content = value;
            }
            isEarly = false;
        }

        /** Lets a value that this pass has used stay, or come, before it is asked for. */
        void begin(ShardedValue value) {
            if (content != value) {
                arrive();
                content = null;
                arriving = value.beginGatherInto(tensor);
                content = value;
            }
            isEarly = true;
        }

        void arrive() {
            Runnable end = arriving;
            if (end != null) {
                arriving = null;
                end.run();
            }
        }

        /** The weights may be new ones. */
        void forget() {
            arrive();
            content = null;
            isEarly = false;
        }
    }

    /** What a pass does with a segment. */
    private record Use(Module segment, boolean backwards) {}

    /**
     * A parameter's whole while a segment uses it.
     *
     * @param leaf of autograd's, in a memory that others use after it: filling that again is no change of the leaf
     * @param first segment of a pass that uses it
     */
    private record Lent(ShardedValue value, Memory memory, Tensor leaf, Module first) {}

    private final Map<Slot, Memory> memories = new HashMap<>();
    private final IdentityHashMap<ShardedValue, Lent> byValue = new IdentityHashMap<>();
    private final IdentityHashMap<Module, List<Lent>> lent = new IdentityHashMap<>();
    private final IdentityHashMap<Module, Use> afterForwards = new IdentityHashMap<>();
    private final IdentityHashMap<Module, Use> afterBackwards = new IdentityHashMap<>();
    private @Nullable Module first;
    private @Nullable Use last;

    /** Gathers nothing yet. */
    public GatheredShards() {}

    /** {@return the memory that wholes are gathered in, in bytes} */
    public long bytes() {
        return memories.keySet().stream()
                .mapToLong(slot -> slot.numel * slot.dtype.itemSize())
                .sum();
    }

    @Override
    public void beforeForward(Module segment) {
        if (first == null) {
            first = segment;
        }
        if (segment == first) {
            memories.values().forEach(Memory::forget);
        }
        for (Lent each : lentTo(segment)) {
            each.memory.fill(each.value);
            each.value.lend(each.leaf.requiresGrad(each.value.isTrainable()));
        }
        beginNext(new Use(segment, false));
    }

    /** Passes go the same way in all processes: what came after this use the last time is what comes now. */
    private void beginNext(Use use) {
        Use before = last;
        if (before != null) {
            (before.backwards ? afterBackwards : afterForwards).put(before.segment, use);
        }
        last = use;
        Use next = (use.backwards ? afterBackwards : afterForwards).get(use.segment);
        if (next == null || next.segment == first || next.segment == use.segment) {
            return; // a pass that begins may have new weights
        }
        Set<Memory> inUse = Collections.newSetFromMap(new IdentityHashMap<>());
        lentTo(use.segment).forEach(each -> inUse.add(each.memory));
        for (Lent each : lentTo(next.segment)) {
            if (!inUse.contains(each.memory)) {
                each.memory.begin(each.value);
            }
        }
    }

    @Override
    public void afterForward(Module segment) {
        lentTo(segment).forEach(each -> each.value.lend(null));
    }

    @Override
    public void beforeBackward(Module segment) {
        for (Lent each : lentTo(segment)) {
            if (each.memory.content == each.value) {
                each.memory.arrive();
            } else {
                each.memory.fill(each.value);
            }
            each.value.lend(each.leaf.requiresGrad(each.value.isTrainable())); // for backward passes by formula
        }
        beginNext(new Use(segment, true));
    }

    @Override
    public void afterBackward(Module segment) {
        for (Lent each : lentTo(segment)) {
            each.value.lend(null);
            if (each.value.isTrainable() && each.first == segment) {
                try (TensorScope scope = TensorScope.open()) {
                    each.value.addGradient(each.leaf.grad());
                    each.leaf.clearGrad();
                }
            }
        }
    }

    /** The sharded parameters of a segment, each once, in an order that all processes have. */
    private List<Lent> lentTo(Module segment) {
        int turn = lent.size() % 2;
        return lent.computeIfAbsent(segment, key -> {
            List<Lent> all = new ArrayList<>();
            key.namedParameters().forEach((path, parameter) -> {
                if (parameter.form() instanceof ShardedValue value) {
                    all.add(byValue.computeIfAbsent(value, one -> lent(one, new Slot(turn, path, one), segment)));
                }
            });
            return all;
        });
    }

    private Lent lent(ShardedValue value, Slot place, Module first) {
        Memory memory = memories.computeIfAbsent(
                place,
                slot -> new Memory(
                        Tensors.zeros(slot.dtype, slot.device, slot.numel).unscoped()));
        try (TensorScope scope = TensorScope.open()) {
            Tensor whole = value.viewOf(memory.tensor.alias());
            return new Lent(value, memory, whole.unscoped(), first);
        }
    }

    /** Frees the memory. */
    @Override
    public void close() {
        memories.values().forEach(GatheredShards::arriveAtLast);
        byValue.values().forEach(each -> each.leaf.close());
        byValue.clear();
        lent.clear();
        memories.values().forEach(memory -> memory.tensor.close());
        memories.clear();
    }

    /** A group that cannot go on has said so where somebody waited for it. */
    private static void arriveAtLast(Memory memory) {
        try {
            memory.arrive();
        } catch (RuntimeException e) {
            memory.content = null;
        }
    }
}
