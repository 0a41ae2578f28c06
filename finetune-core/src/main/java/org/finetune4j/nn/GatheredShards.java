package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
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
 * process holds its part of the model and one layer. Layers gather into the same memory in turn. What belongs to no layer
 * (embeddings, the final norm, the output layer) is gathered for the embedding and for the output layer.
 *
 * <p>Autograd remembers the memory, not what was in it: before a segment's backward pass it is filled as it was. After it the
 * gradients of the whole are added up over all processes, and each keeps those of its part.
 */
public final class GatheredShards implements Residency, AutoCloseable {

    private record Slot(String path, DType dtype, Device device, long numel) {}

    /** A piece of memory and whose values are in it. */
    private static final class Memory {
        final Tensor tensor;

        @Nullable
        ShardedValue content;

        Memory(Tensor tensor) {
            this.tensor = tensor;
        }
    }

    /** A parameter's whole while a segment uses it: a leaf of autograd's in a memory that others use after it. */
    private record Lent(ShardedValue value, Memory memory, Tensor leaf) {}

    private final Module network;
    private final Set<Parameter> ofLayers = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Map<Slot, Memory> memories = new HashMap<>();
    private final Map<Module, List<Lent>> lent = new IdentityHashMap<>();

    /**
     * For the passes of one run, one after the other.
     *
     * @param network whose parameters may be sharded
     */
    public GatheredShards(Module network) {
        this.network = network;
        network.namedModules().values().stream()
                .filter(DecoderLayer.class::isInstance)
                .forEach(layer -> ofLayers.addAll(layer.allParameters()));
    }

    /** {@return the memory that wholes are gathered in, in bytes} */
    public long bytes() {
        return memories.keySet().stream()
                .mapToLong(slot -> slot.numel * slot.dtype.itemSize())
                .sum();
    }

    @Override
    public void beforeForward(Module segment) {
        forget(segment);
        List<Lent> all = new ArrayList<>();
        lent.put(segment, all);
        parametersOf(segment).forEach((path, parameter) -> {
            if (parameter.form() instanceof ShardedValue value) {
                Memory memory = memories.computeIfAbsent(
                        new Slot(path, value.dtype(), value.device(), value.gatheredNumel()),
                        slot -> new Memory(Tensors.zeros(slot.dtype, slot.device, slot.numel)
                                .unscoped()));
                value.gatherInto(memory.tensor);
                memory.content = value;
                // Filling the memory again is no change of the leaf's that autograd should know of.
                Tensor leaf = value.viewOf(memory.tensor.alias()).unscoped().requiresGrad(value.isTrainable());
                all.add(new Lent(value, memory, leaf));
                value.lend(leaf);
            }
        });
    }

    @Override
    public void afterForward(Module segment) {
        release(segment);
    }

    @Override
    public void beforeBackward(Module segment) {
        for (Lent each : lent.getOrDefault(segment, List.of())) {
            if (each.memory.content != each.value) {
                each.value.gatherInto(each.memory.tensor);
                each.memory.content = each.value;
            }
        }
    }

    @Override
    public void afterBackward(Module segment) {
        release(segment);
        forget(segment);
    }

    /** Takes the wholes back; an output layer has gone backwards already. */
    private void release(Module segment) {
        for (Lent each : lent.getOrDefault(segment, List.of())) {
            each.value.lend(null);
            try (TensorScope scope = TensorScope.open()) {
                Tensor gradient = each.leaf.grad();
                if (gradient != null) {
                    each.value.addGradient(gradient);
                    each.leaf.clearGrad();
                }
            }
        }
    }

    private void forget(Module segment) {
        List<Lent> gone = lent.remove(segment);
        if (gone != null) {
            gone.forEach(each -> each.leaf.close());
        }
    }

    /** The parameters that are gathered for a segment, each once. */
    private Map<String, Parameter> parametersOf(Module segment) {
        if (segment instanceof DecoderLayer) {
            return segment.namedParameters();
        }
        Map<String, Parameter> others = new LinkedHashMap<>();
        network.namedParameters().forEach((path, parameter) -> {
            if (!ofLayers.contains(parameter)) {
                others.put(path, parameter);
            }
        });
        return others;
    }

    /** Frees the memory. */
    @Override
    public void close() {
        List.copyOf(lent.keySet()).forEach(this::forget);
        memories.values().forEach(memory -> memory.tensor.close());
        memories.clear();
    }
}
