package org.finetune4j.nn;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.MappedMemory;
import org.finetune4j.tensor.NativeAllocator;
import org.finetune4j.tensor.PackedWeight;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Copies of a model's weights in the order in which few rows are multiplied fastest, see {@link PackedWeight}: memory for speed. A
 * weight is copied when it is first asked for, and again after it was changed. They go with the {@link SequenceContext} of the
 * passes of one decoder, one pass at a time.
 *
 * <p>Layers that get the same input, such as those of queries, keys and values, are one copy and one product, see {@link #together}.
 * A weight that lies packed already, see {@link #pack}, needs no copy.
 */
public final class PackedWeights implements AutoCloseable {

    private static final long USUAL_BYTES = 4L << 30;

    private final long mostBytes;
    private final IdentityHashMap<Parameter, Copy> copies = new IdentityHashMap<>();

    /** Weights that were packed together, by the first one. */
    private final IdentityHashMap<Parameter, Copy> joined = new IdentityHashMap<>();

    /** First weights of those that are not multiplied together: a method gives their layers other inputs. */
    private final IdentityHashMap<Parameter, Boolean> apart = new IdentityHashMap<>();

    private @Nullable Parts parts;
    private long bytes;

    /** @param mostBytes what the copies may take together; weights that come after that are multiplied as they are */
    public PackedWeights(long mostBytes) {
        this.mostBytes = mostBytes;
    }

    /**
     * Puts the weights of a model's linear layers in this order for good, in place of the tensors that they are: decoding needs no copies
     * then. Left out are those that train or are stored compressed; one that is looked up row by row too stays a tensor beside it.
     *
     * @param model whose layers nobody else is using now; it is calculated with in float32
     * @param mostGrowth by how many bytes weights may grow together, which become float32 or stay beside; those that come after that stay
     *     what they are
     */
    public static void pack(Module model, long mostGrowth) {
        if (!PackedWeight.isFaster()) {
            return;
        }
        MappedMemory.Mappings mappings = MappedMemory.Mappings.now();
        Set<Parameter> lookedUp = Collections.newSetFromMap(new IdentityHashMap<>());
        for (Module module : model.namedModules().values()) {
            if (module instanceof Embedding table) {
                lookedUp.add(table.weight());
            }
        }
        long left = mostGrowth;
        // Layer by layer: what one leaves free is room for the next.
        for (Module module : model.namedModules().values()) {
            List<List<Linear>> groups =
                    module instanceof Linear layer ? List.of(List.of(layer)) : module.appliedTogether();
            for (List<Linear> group : groups) {
                boolean beside = group.stream().anyMatch(layer -> lookedUp.contains(layer.weight()));
                long growth = group.stream()
                        .mapToLong(layer -> bytes(layer.weight())
                                - (beside ? 0 : layer.weight().bytes()))
                        .sum();
                if (growth <= left && group.stream().allMatch(PackedWeights::isPackableInPlace)) {
                    if (beside) {
                        group.forEach(layer -> PackedValue.packBeside(layer, mappings));
                    } else {
                        PackedValue.pack(group, mappings);
                    }
                    left -= growth;
                }
            }
        }
        NativeAllocator.trim();
    }

    private static boolean isPackableInPlace(Linear layer) {
        Parameter weight = layer.weight();
        return layer.isPackable() && weight.form() instanceof DenseValue && !weight.isTrainable();
    }

    /** One or more weights, one below the other, as they were when they were packed. */
    private record Copy(List<Source> sources, PackedWeight weight) {

        boolean isCurrent() {
            return sources.stream().allMatch(Source::isCurrent);
        }

        boolean isTrainable() {
            return sources.stream().anyMatch(source -> source.parameter.isTrainable());
        }
    }

    private record Source(Parameter parameter, Tensor value, long version) {

        static Source of(Parameter parameter) {
            Tensor value = parameter.value();
            return new Source(parameter, value, value.version());
        }

        @SuppressWarnings("ReferenceEquality")
        boolean isCurrent() {
            return parameter.form() instanceof DenseValue dense
                    && dense.tensor() == value
                    && version == value.version();
        }
    }

    /** What several layers make of one input, until each has taken its own. */
    private record Parts(Parameter first, Tensor input, IdentityHashMap<Parameter, Tensor> products) {

        @SuppressWarnings("ReferenceEquality")
        @Nullable
        Tensor take(Parameter weight, Tensor x) {
            return input == x ? products.remove(weight) : null;
        }
    }

    /**
     * What copies may take where nobody says it: 4 GiB, or a quarter of this machine's memory or container's where that is less. It
     * does not depend on what else runs, as last digits do on whether a weight is packed.
     *
     * @return bytes
     */
    public static long usualBytes() {
        OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        return Math.min(USUAL_BYTES, system.getTotalMemorySize() / 4);
    }

    /**
     * What copies of a model's weights will take.
     *
     * @param model whose linear layers are used
     * @param mostBytes what they may take together
     * @return bytes; 0 where weights are not packed
     */
    public static long expectedBytes(Module model, long mostBytes) {
        if (!PackedWeight.isFaster()) {
            return 0;
        }
        long all = model.namedModules().values().stream()
                .filter(Linear.class::isInstance)
                .map(module -> ((Linear) module).weight())
                .filter(weight -> weight.form() instanceof DenseValue && isPackable(weight))
                .distinct()
                .mapToLong(PackedWeights::bytes)
                .sum();
        return Math.min(mostBytes, all);
    }

    /**
     * Multiplies the input of several layers with all their weights at once. Each layer that is then given this very tensor takes its
     * part; where a method gives one of them another, they are multiplied apart from then on.
     *
     * @param layers that are about to be applied
     * @param x [..., in], their input
     */
    void together(List<Linear> layers, Tensor x) {
        Parts left = parts;
        if (left != null && !left.products.isEmpty()) {
            apart.put(left.first, true);
            forget(joined, left.first);
        }
        parts = null;
        Parameter first = layers.get(0).weight();
        if (x.dtype() != DType.FLOAT32
                || apart.containsKey(first)
                || !layers.stream().allMatch(Linear::isPackable)) {
            return;
        }
        PackedWeight inPlace = PackedValue.of(layers);
        PackedWeight all = inPlace == null ? copy(joined, layers) : inPlace;
        if (all == null) {
            return;
        }
        Tensor product = multiply(rows -> all.multiply(rows, null), x); // [..., out of all]
        IdentityHashMap<Parameter, Tensor> products = new IdentityHashMap<>();
        long start = 0;
        for (Linear layer : layers) {
            products.put(layer.weight(), product.narrow(-1, start, layer.outFeatures()));
            start += layer.outFeatures();
        }
        parts = new Parts(first, x, products);
    }

    /**
     * A layer's product, without its bias.
     *
     * @param layer whose weight can be packed
     * @param x [..., in] float32
     * @return [..., out]; null where there is no room for a copy
     */
    @Nullable
    Tensor multiply(Linear layer, Tensor x) {
        Tensor part = parts == null ? null : parts.take(layer.weight(), x);
        if (part != null) {
            return part;
        }
        PackedValue inPlace = PackedValue.of(layer.weight());
        if (inPlace != null) {
            return multiply(inPlace::multiply, x);
        }
        PackedWeight packed = copy(copies, List.of(layer));
        return packed == null ? null : multiply(rows -> packed.multiply(rows, null), x);
    }

    /** Multiplies [..., in] as [rows, in]. */
    private static Tensor multiply(UnaryOperator<Tensor> product, Tensor x) {
        long[] shape = x.shape();
        Tensor rows = x.reshape(-1, shape[shape.length - 1]); // [rows, in]
        shape[shape.length - 1] = -1;
        return product.apply(rows).reshape(shape); // [..., out]
    }

    private @Nullable PackedWeight copy(IdentityHashMap<Parameter, Copy> among, List<Linear> layers) {
        Parameter first = layers.get(0).weight();
        Copy copy = among.get(first);
        if (copy != null && copy.isCurrent()) {
            return copy.weight;
        }
        forget(among, first);
        long needed = layers.stream().mapToLong(layer -> bytes(layer.weight())).sum();
        boolean areTensors = layers.stream().allMatch(layer -> layer.weight().form() instanceof DenseValue);
        if (!areTensors || bytes + needed > mostBytes || !PackedWeight.isFaster()) {
            return null;
        }
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            List<Tensor> weights = new ArrayList<>(); // each [out, in]
            for (Linear layer : layers) {
                Tensor weight = layer.weight().as(DType.FLOAT32);
                weights.add(layer.layout() == Linear.Layout.OUT_IN ? weight : weight.transpose(0, 1));
            }
            PackedWeight packed = PackedWeight.of(weights.size() == 1 ? weights.get(0) : Tensors.cat(weights, 0));
            List<Source> sources =
                    layers.stream().map(layer -> Source.of(layer.weight())).toList();
            among.put(first, new Copy(sources, packed));
            bytes += needed;
            return packed;
        }
    }

    /** Whether a copy of a weight can be made and used in its place. */
    static boolean isPackable(Parameter weight) {
        DType dtype = weight.dtype();
        return (weight.form() instanceof DenseValue || PackedValue.of(weight) != null)
                && weight.summed() == null
                && dtype.isFloatingPoint()
                && dtype != DType.FLOAT64
                && weight.device().equals(Device.CPU)
                && weight.numel() > 0;
    }

    private static long bytes(Parameter weight) {
        return weight.numel() * Float.BYTES;
    }

    private void forget(IdentityHashMap<Parameter, Copy> among, Parameter first) {
        Copy copy = among.remove(first);
        if (copy != null) {
            bytes -= copy.weight.bytes();
            copy.weight.close();
        }
    }

    /** Frees the copies of weights that are others now, or that training changes, in whatever way it writes them. */
    public void forgetChanged() {
        for (IdentityHashMap<Parameter, Copy> some : List.of(copies, joined)) {
            new IdentityHashMap<>(some).forEach((first, copy) -> {
                if (!copy.isCurrent() || copy.isTrainable()) {
                    forget(some, first);
                }
            });
        }
    }

    /** {@return what the copies take, in bytes} */
    public long bytes() {
        return bytes;
    }

    /** Frees the copies; those that are asked for after that are made anew. */
    @Override
    public void close() {
        for (IdentityHashMap<Parameter, Copy> some : List.of(copies, joined)) {
            new IdentityHashMap<>(some).forEach((first, copy) -> forget(some, first));
        }
        parts = null;
    }
}
