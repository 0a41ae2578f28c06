package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.RowGroups;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The layers of a model where several numbered adapters are used side by side: each row of a batch has its own. */
public final class RowPlaces implements AutoCloseable {

    /** What adapters that are put together may take, beside themselves. */
    private static final long MOST_JOINED_BYTES = 256L << 20;

    private final CausalLM model;
    /** The layers that see rows, and not tokens by themselves as experts do. */
    private final Set<Linear> seeing = new LinkedHashSet<>();

    private final Map<Linear, RowLayers> layers = new LinkedHashMap<>();
    private final List<Linear> extended = new ArrayList<>();

    /** The masks of one pass, which are the same for all layers that the same adapters have. */
    private final List<Mask> masks = new ArrayList<>();

    private @Nullable RowGroups masked;
    private long joinedBytes;

    /** Which columns of adapters side by side are not a row's own. */
    private record Mask(int[] adapters, int[] ranks, Tensor others) {}

    /**
     * No places yet.
     *
     * @param model whose layers become places
     */
    public RowPlaces(CausalLM model) {
        this.model = model;
        model.network().layers().forEach(block -> {
            block.namedModules().forEach((path, module) -> {
                if (module instanceof Linear linear && !isExpert(path)) {
                    seeing.add(linear);
                }
            });
            block.namedModules().values().forEach(module -> {
                if (module instanceof MixtureOfExperts mixture) {
                    seeing.remove(mixture.router()); // it sees tokens, as its experts do
                }
            });
        });
        seeing.add(model.network().outputLayer());
    }

    /** Makes a place of every layer that sees rows, for adapters that come later. */
    void addAll() {
        seeing.forEach(linear -> layers.put(linear, new RowLayers(this)));
    }

    /**
     * Adds an adapter; where it adapts a layer that is no place yet, that becomes one.
     *
     * @param number of the adapter
     * @param name what messages call it
     * @param adapter of the same model, not enabled
     * @throws UserErrorException when it does more than change linear layers that see rows, or has values that are no numbers; then nothing
     *     of it is added
     */
    public void add(int number, String name, PeftAdapter adapter) {
        List<AdaptedLinear> own = adapter.layersForRows(name);
        own.forEach(layer -> requireRows(name, layer));
        requireFinite(name, adapter);
        own.forEach(layer -> layers.computeIfAbsent(layer.base(), linear -> new RowLayers(this))
                .add(number, layer));
    }

    /** Rows of several adapters are computed together: what is no number in one would reach the others. */
    private static void requireFinite(String name, PeftAdapter adapter) {
        adapter.parametersByKey().forEach((key, parameter) -> {
            if (!parameter.value().isFinite()) {
                throw new UserErrorException(
                        name + ": " + key + " has values that are NaN or infinite: the adapter cannot be used");
            }
        });
    }

    void remove(int number) {
        layers.values().forEach(rows -> rows.remove(number));
    }

    /** Lets the layers ask for the adapters of their rows. */
    public void extend() {
        model.alone(() -> layers.forEach((linear, rows) -> {
            linear.extend(rows);
            extended.add(linear);
        }));
    }

    /** Whether so many bytes more may be kept of adapters that are put together. */
    synchronized boolean reserve(long bytes) {
        boolean fits = joinedBytes + bytes <= MOST_JOINED_BYTES;
        joinedBytes += fits ? bytes : 0;
        return fits;
    }

    synchronized void release(long bytes) {
        joinedBytes -= bytes;
    }

    /** As {@link RowStack#others}, made once a pass; to be used while nobody else can ask. */
    @SuppressWarnings("ReferenceEquality") // groups belong to one pass
    synchronized Tensor others(RowGroups groups, Tensor x, int[] adapters, int[] ranks) {
        if (masked != groups) {
            freeMasks();
            masked = groups;
        }
        for (Mask mask : masks) {
            if (Arrays.equals(mask.adapters, adapters) && Arrays.equals(mask.ranks, ranks)) {
                return mask.others;
            }
        }
        Tensor others = RowStack.others(groups, Math.toIntExact(x.size(0)), adapters, ranks)
                .to(x.device())
                .unscoped();
        masks.add(new Mask(adapters, ranks, others));
        return others;
    }

    private void freeMasks() {
        masks.forEach(mask -> mask.others.close());
        masks.clear();
        masked = null;
    }

    private void requireRows(String name, AdaptedLinear layer) {
        if (!seeing.contains(layer.base())) {
            throw new UserErrorException("adapter '" + name + "' adapts " + layer.path()
                    + ", which sees tokens by themselves and not rows: it cannot be used side by side with others");
        }
    }

    private static boolean isExpert(String path) {
        return ("." + path).contains(".experts.");
    }

    /** Lets the layers compute as the base alone; the adapters stay whose they are. */
    @Override
    public void close() {
        model.alone(() -> {
            extended.forEach(Linear::removeExtension);
            extended.clear();
        });
        synchronized (this) {
            layers.values().forEach(RowLayers::free);
            freeMasks();
        }
    }
}
