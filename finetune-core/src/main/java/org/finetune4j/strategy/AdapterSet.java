package org.finetune4j.strategy;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.jspecify.annotations.Nullable;

/**
 * Several named adapters on one model, of which one is active at a time. All of them stay in memory and share the base:
 * {@link #activate switching} changes references only.
 *
 * <pre>{@code
 * try (AdapterSet adapters = AdapterSet.of(model)) {
 *     adapters.load("legal", Path.of("adapters/legal"));
 *     adapters.load("medical", Path.of("adapters/medical"));
 *     adapters.activate("legal");
 * }
 * }</pre>
 */
public final class AdapterSet implements AutoCloseable {

    /** The name that PEFT gives an adapter when nobody names it; it lies at the root of a saved directory. */
    public static final String DEFAULT = "default";

    private final CausalLM model;
    private final Map<String, Adapter> adapters = new LinkedHashMap<>();
    private @Nullable String active;
    private boolean closed;

    private AdapterSet(CausalLM model) {
        this.model = model;
    }

    /**
     * {@return an empty set for a model, which stays the caller's}
     *
     * @param model without an adapter
     */
    public static AdapterSet of(CausalLM model) {
        return new AdapterSet(Objects.requireNonNull(model, "model"));
    }

    /**
     * Reads an adapter from its directory. It is not active yet, and does not train.
     *
     * @param name by which the set knows the adapter
     * @param directory an adapter in the form of PEFT
     * @return the adapter
     * @throws UserErrorException when the name is taken, or the adapter cannot be read or does not fit
     */
    public Adapter load(String name, Path directory) {
        return add(name, () -> AdapterFormat.load(model, directory, false));
    }

    /**
     * Adds a new adapter that trains. It is not active yet.
     *
     * @param name by which the set knows the adapter
     * @param strategy the method with its settings
     * @return the adapter
     * @throws UserErrorException when the name is taken, the settings do not fit, or the method makes no adapter
     */
    public Adapter add(String name, FineTuningStrategy strategy) {
        return add(name, () -> {
            AttachedStrategy attached = strategy.attach(model);
            if (attached instanceof Adapter adapter) {
                return adapter;
            }
            attached.close();
            throw new UserErrorException("method '" + strategy.method() + "' makes no adapter");
        });
    }

    /** Attaches on the bare base, so that what an adapter starts from never depends on the others. */
    private Adapter add(String name, Supplier<Adapter> source) {
        requireOpen();
        if (name.isBlank() || name.contains("/") || name.contains("\\") || name.startsWith(".")) {
            throw new UserErrorException("'" + name + "' cannot be the name of an adapter, which names a directory");
        }
        if (adapters.containsKey(name)) {
            throw new UserErrorException("there is an adapter '" + name + "' already");
        }
        String before = active;
        deactivate();
        try {
            Adapter adapter = source.get();
            adapter.disable();
            adapters.put(name, adapter);
            return adapter;
        } finally {
            if (before != null) {
                activate(before);
            }
        }
    }

    /** {@return the names, in the order of adding} */
    public Set<String> names() {
        requireOpen();
        return Collections.unmodifiableSet(adapters.keySet());
    }

    /**
     * The adapter of this name.
     *
     * @param name of an adapter in the set
     * @return the adapter
     * @throws UserErrorException when there is none, with the nearest name
     */
    public Adapter get(String name) {
        requireOpen();
        Adapter adapter = adapters.get(name);
        if (adapter == null) {
            throw new UserErrorException(
                    "there is no adapter '" + name + "'" + Suggestions.didYouMean(name, adapters.keySet()));
        }
        return adapter;
    }

    /** {@return the name of the active adapter, or null} */
    public @Nullable String active() {
        requireOpen();
        return active;
    }

    /**
     * Makes one adapter the active one in the place of another. The model then computes with it.
     *
     * @param name of an adapter in the set
     * @throws UserErrorException when there is none of this name
     */
    public void activate(String name) {
        Adapter next = get(name);
        if (name.equals(active)) {
            return;
        }
        deactivate();
        next.enable();
        active = name;
    }

    /** Lets the model compute as the base alone. */
    public void deactivate() {
        requireOpen();
        if (active != null) {
            get(active).disable();
            active = null;
        }
    }

    /**
     * Takes an adapter away and frees it.
     *
     * @param name of an adapter in the set
     */
    public void remove(String name) {
        Adapter adapter = get(name);
        if (name.equals(active)) {
            deactivate();
        }
        adapters.remove(name);
        adapter.close();
    }

    /**
     * Writes all adapters as PEFT does: {@value #DEFAULT} into the directory itself, every other into one of its own.
     *
     * @param directory to write into
     */
    public void save(Path directory) {
        requireOpen();
        adapters.forEach((name, adapter) -> {
            if (name.equals(DEFAULT)) {
                adapter.export(directory);
            } else {
                AtomicFiles.writeDirectory(directory.resolve(name), adapter::export);
            }
        });
    }

    /** Takes all adapters off the model and frees them. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        deactivate();
        adapters.values().forEach(Adapter::close);
        adapters.clear();
        closed = true;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("set of adapters used after close: save it before");
        }
    }
}
