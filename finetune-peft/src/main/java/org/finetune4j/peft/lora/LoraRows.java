package org.finetune4j.peft.lora;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.RowGroups;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * One layer of a model whose batches use several LoRA adapters: the base once for all rows, then the adapters together where rows are
 * few, as in decoding, else each for its own.
 */
final class LoraRows implements LinearExtension {

    /** What four operations of an adapter by itself are worth, in multiplications. */
    private static final long MULTIPLICATIONS_OF_AN_ADAPTER = 2_000_000;

    private final LoraPlaces places;
    private final Map<Integer, LoraLayer> layers = new ConcurrentHashMap<>();
    private @Nullable LoraStack stack;

    /** @param places where the adapters are numbered */
    LoraRows(LoraPlaces places) {
        this.places = places;
    }

    void add(int adapter, LoraLayer layer) {
        layers.put(adapter, layer);
    }

    void remove(int adapter) {
        synchronized (places) {
            layers.remove(adapter);
            if (stack != null && stack.has(adapter)) {
                free();
            }
        }
    }

    /** Frees what was put together. */
    void free() {
        synchronized (places) {
            if (stack != null) {
                places.release(stack.bytes());
                stack.close();
                stack = null;
            }
        }
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        Tensor output = linear.project(x, context); // [rows, ..., out]
        RowGroups groups = context == null ? null : context.rowGroups();
        if (context == null || groups == null) {
            return output;
        }
        if (Autograd.isEnabled()) {
            throw new IllegalStateException("rows with adapters of their own are for inference: train one at a time");
        }
        if (groups.owner() != places) {
            throw new IllegalStateException("these rows were assigned by another batch of adapters than the model has");
        }
        List<RowGroups.Group> own = groups.groups().stream()
                .filter(group -> layers.containsKey(group.adapter()))
                .sorted(Comparator.comparingInt(RowGroups.Group::adapter))
                .toList();
        if (own.isEmpty()) {
            return output;
        }
        long rows = x.size(0);
        boolean flat = x.numel() == rows * x.size(-1);
        if (own.size() == 1 && own.get(0).rows().length == rows) {
            LoraLayer layer = layer(own.get(0));
            layer.addTo(output.view(-1, output.size(-1)), x.reshape(-1, x.size(-1)), context);
        } else if (flat && isWorthJoining(own, x, output)) {
            addTogether(own, groups, output.view(rows, output.size(-1)), x.reshape(rows, x.size(-1)));
        } else {
            own.forEach(group -> output.indexAddInPlace(
                    0, group.index(), layer(group).added(x.indexSelect(0, group.index()), context)));
        }
        return output;
    }

    private LoraLayer layer(RowGroups.Group group) {
        LoraLayer layer = layers.get(group.adapter());
        if (layer == null) {
            throw new IllegalStateException("an adapter was closed while rows used it");
        }
        return layer;
    }

    private boolean isWorthJoining(List<RowGroups.Group> groups, Tensor x, Tensor output) {
        long ranks = 0;
        for (RowGroups.Group group : groups) {
            LoraLayer layer = layer(group);
            if (layer.hasBias()) {
                return false;
            }
            ranks += layer.loraA().value().size(0);
        }
        long multiplications = x.size(0) * ranks * (x.size(-1) + output.size(-1));
        return multiplications <= groups.size() * MULTIPLICATIONS_OF_AN_ADAPTER;
    }

    /** One thread at a time: what was put together stays for the next pass, which mostly has the same adapters. */
    private void addTogether(List<RowGroups.Group> own, RowGroups groups, Tensor output, Tensor x) {
        int[] adapters = own.stream().mapToInt(RowGroups.Group::adapter).toArray();
        synchronized (places) {
            LoraStack joined = stack;
            if (joined == null || !joined.isOf(adapters, x.dtype())) {
                free();
                joined = joined(own, adapters, x.dtype());
            }
            try {
                joined.addTo(output, x, places.others(groups, x, adapters, joined.ranks()));
            } finally {
                if (stack != joined) {
                    joined.close();
                }
            }
        }
    }

    private LoraStack joined(List<RowGroups.Group> own, int[] adapters, DType dtype) {
        List<LoraLayer> parts = new ArrayList<>();
        own.forEach(group -> parts.add(layer(group)));
        LoraStack joined = new LoraStack(adapters, parts, dtype);
        if (places.reserve(joined.bytes())) {
            stack = joined;
        }
        return joined;
    }

    @Override
    public Collection<Parameter> parameters() {
        return List.of();
    }

    @Override
    public String toString() {
        return "several LoRA adapters";
    }
}
