package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.LowRankUpdate;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.RowGroups;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * One layer of a model whose batches use several adapters: the base once for all rows, then what each adapter makes of its own. What
 * low-rank adapters add is computed together where rows are few, as in decoding.
 */
final class RowLayers implements LinearExtension {

    /** What four operations of an adapter by itself are worth, in multiplications. */
    private static final long MULTIPLICATIONS_OF_AN_ADAPTER = 2_000_000;

    private final RowPlaces places;
    private final Map<Integer, AdaptedLinear> layers = new ConcurrentHashMap<>();
    private @Nullable RowStack stack;

    /** @param places where the adapters are numbered */
    RowLayers(RowPlaces places) {
        this.places = places;
    }

    void add(int adapter, AdaptedLinear layer) {
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

    /** Rows of an adapter that does more than add a low-rank product, with what they read. */
    private record Beside(RowGroups.Group group, AdaptedLinear layer, Tensor x) {

        /** What the base is to read in their place, or nothing of use where the method does not say. */
        Tensor read() {
            return layer instanceof SharedProduct shared ? shared.inputOf(x) : x;
        }

        /** What becomes of all rows' product with the base. */
        Tensor output(Linear linear, Tensor all, SequenceContext context) {
            return layer instanceof SharedProduct shared
                    ? shared.outputOf(all.indexSelect(0, group.index()), x, context)
                    : layer.forward(linear, x, context);
        }
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        RowGroups groups = context == null ? null : context.rowGroups();
        if (context == null || groups == null) {
            return linear.project(x, context); // [rows, ..., out]
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
        if (own.size() == 1 && own.get(0).rows().length == x.size(0)) {
            return layer(own.get(0)).forward(linear, x, context);
        }
        List<Beside> beside = own.stream()
                .filter(group -> update(group) == null)
                .map(group -> new Beside(group, layer(group), x.indexSelect(0, group.index())))
                .toList();
        Tensor output = linear.project(read(x, beside), context); // [rows, ..., out]
        List<RowGroups.Group> adding =
                own.stream().filter(group -> update(group) != null).toList();
        if (!adding.isEmpty()) {
            add(adding, groups, output, x);
        }
        beside.forEach(each -> output.indexCopyInPlace(0, each.group.index(), each.output(linear, output, context)));
        return output;
    }

    /** The input of the base's product: its own, but for rows whose adapter changes what the base reads. */
    @SuppressWarnings("ReferenceEquality") // the same tensor, not one of the same numbers
    private static Tensor read(Tensor x, List<Beside> beside) {
        Tensor all = x;
        for (Beside each : beside) {
            Tensor read = each.read();
            if (read != each.x) {
                all = all == x ? x.copy() : all;
                all.indexCopyInPlace(0, each.group.index(), read);
            }
        }
        return all;
    }

    private void add(List<RowGroups.Group> adding, RowGroups groups, Tensor output, Tensor x) {
        long rows = x.size(0);
        boolean flat = x.numel() == rows * x.size(-1);
        if (flat && isWorthJoining(adding, x, output)) {
            addTogether(adding, groups, output.view(rows, output.size(-1)), x.reshape(rows, x.size(-1)));
            return;
        }
        for (RowGroups.Group group : adding) {
            LowRankUpdate update = Objects.requireNonNull(update(group));
            Tensor low = Functional.linear(
                    x.indexSelect(0, group.index()), update.a().as(x.dtype()), null);
            Tensor added =
                    Functional.linear(low, update.b().as(x.dtype()), null).mul(update.scale());
            output.indexAddInPlace(0, group.index(), added);
        }
    }

    private AdaptedLinear layer(RowGroups.Group group) {
        AdaptedLinear layer = layers.get(group.adapter());
        if (layer == null) {
            throw new IllegalStateException("an adapter was closed while rows used it");
        }
        return layer;
    }

    /** What an adapter adds, where that is a low-rank product and nothing else. */
    private @Nullable LowRankUpdate update(RowGroups.Group group) {
        return layer(group).lowRank(Dropout.OFF);
    }

    private boolean isWorthJoining(List<RowGroups.Group> groups, Tensor x, Tensor output) {
        long ranks = 0;
        for (RowGroups.Group group : groups) {
            ranks += Objects.requireNonNull(update(group)).a().value().size(0);
        }
        long multiplications = x.size(0) * ranks * (x.size(-1) + output.size(-1));
        return multiplications <= groups.size() * MULTIPLICATIONS_OF_AN_ADAPTER;
    }

    /** One thread at a time: what was put together stays for the next pass, which mostly has the same adapters. */
    private void addTogether(List<RowGroups.Group> own, RowGroups groups, Tensor output, Tensor x) {
        int[] adapters = own.stream().mapToInt(RowGroups.Group::adapter).toArray();
        synchronized (places) {
            RowStack joined = stack;
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

    private RowStack joined(List<RowGroups.Group> own, int[] adapters, DType dtype) {
        List<LowRankUpdate> parts = new ArrayList<>();
        own.forEach(group -> parts.add(Objects.requireNonNull(update(group))));
        RowStack joined = new RowStack(adapters, parts, dtype);
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
        return "several adapters";
    }
}
