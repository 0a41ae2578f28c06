package org.finetune4j.peft;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.Adapter;
import org.jspecify.annotations.Nullable;

/**
 * An adapter made of {@link AdapterPart parts}, in PEFT's directory format. A method says which parts it puts into a model
 * and what its configuration is.
 */
public abstract class PeftAdapter implements Adapter {

    private final CausalLM model;
    private final List<AdapterPart> parts;
    private final Map<String, @Nullable Object> loadedConfiguration = new LinkedHashMap<>();
    private @Nullable AdapterDirectory text;
    private boolean enabled;
    private boolean merged;
    private boolean closed;

    /**
     * An adapter of these parts.
     *
     * @param model the model that it is on
     * @param parts not yet enabled; the adapter owns them
     */
    protected PeftAdapter(CausalLM model, List<? extends AdapterPart> parts) {
        this.model = model;
        this.parts = new ArrayList<>(parts);
    }

    /**
     * The method's settings as its {@code adapter_config.json} has them.
     *
     * @return the settings, {@code peft_type} included
     */
    protected abstract Map<String, @Nullable Object> configuration();

    /**
     * The model that the adapter is on.
     *
     * @return the model
     * @throws IllegalStateException when the adapter is closed
     */
    protected final CausalLM model() {
        requireOpen();
        return model;
    }

    /**
     * The adapted layers of an adapter that is nothing else than these, each of which computes a row by itself.
     *
     * @param name what messages call the adapter
     * @return the layers, in the model's order
     * @throws UserErrorException when it does more, which rows of one batch cannot do apart
     */
    public final List<AdaptedLinear> layersForRows(String name) {
        requireOpen();
        if (changesBase()
                || !parts.stream().allMatch(part -> part instanceof AdaptedLinear || part instanceof SharedPart)) {
            throw new UserErrorException(
                    "adapter '" + name + "' does more than change the output of linear layers (trained biases,"
                            + " modules or tokens, embeddings, experts, parted weights): it cannot be used side by side with others");
        }
        return parts.stream()
                .filter(AdaptedLinear.class::isInstance)
                .map(AdaptedLinear.class::cast)
                .toList();
    }

    /** {@return whether enabling the adapter changes the base's own weights} */
    protected boolean changesBase() {
        return false;
    }

    /** A closed adapter has no parts: whatever it was asked to write would be empty. */
    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("adapter used after close: save or export it before");
        }
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        requireOpen();
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parts.forEach(part -> parameters.putAll(part.parametersByKey()));
        return parameters;
    }

    @Override
    public Collection<Parameter> trainableParameters() {
        return parametersByKey().values().stream()
                .filter(Parameter::isTrainable)
                .distinct()
                .toList();
    }

    @Override
    public Collection<Parameter> savedParameters() {
        return parametersByKey().values();
    }

    @Override
    public boolean isEnabled() {
        return enabled;
    }

    @Override
    public void enable() {
        requireOpen();
        model.alone(this::enableParts);
    }

    private void enableParts() {
        if (enabled) {
            return;
        }
        List<AdapterPart> done = new ArrayList<>();
        try {
            if (text != null) {
                model.useTextOf(text);
            }
            for (AdapterPart part : parts) {
                part.enable();
                done.add(part);
            }
        } catch (RuntimeException e) {
            undo(done, AdapterPart::disable);
            useOwnText();
            throw e;
        }
        enabled = true;
    }

    @Override
    public void disable() {
        requireOpen();
        model.alone(() -> {
            if (enabled) {
                unmerge();
                undo(parts, AdapterPart::disable);
                useOwnText();
                enabled = false;
            }
        });
    }

    private void useOwnText() {
        if (text != null) {
            model.useOwnText();
        }
    }

    @Override
    public void merge() {
        mergeAlone(false);
    }

    @Override
    public void mergeKeepingTies() {
        mergeAlone(true);
    }

    private void mergeAlone(boolean keepTies) {
        try (CausalLM.Entry open = model.keepOpen()) {
            model.alone(() -> merge(keepTies));
        }
    }

    private void merge(boolean keepTies) {
        requireOpen();
        if (merged) {
            return;
        }
        if (!enabled) {
            throw new UserErrorException("a disabled adapter cannot be merged: enable it first");
        }
        List<AdapterPart> done = new ArrayList<>();
        try {
            for (AdapterPart part : parts) {
                part.merge(keepTies);
                done.add(part);
            }
        } catch (RuntimeException e) {
            undo(done, AdapterPart::unmerge);
            throw e;
        }
        merged = true;
    }

    @Override
    public void unmerge() {
        requireOpen();
        model.alone(() -> {
            if (merged) {
                undo(parts, AdapterPart::unmerge);
                merged = false;
            }
        });
    }

    /** In the reverse order, so that what stood on something else goes first. */
    private static void undo(List<AdapterPart> parts, Consumer<AdapterPart> action) {
        for (int i = parts.size() - 1; i >= 0; i--) {
            action.accept(parts.get(i));
        }
    }

    @Override
    public final void save(Path directory) {
        try (CausalLM.Entry entry = model.enter()) { // nobody frees it meanwhile
            requireOpen();
            write(directory);
        }
    }

    @Override
    public final void export(Path directory) {
        try (CausalLM.Entry entry = model.enter()) {
            requireOpen();
            writeForOthers(directory);
        }
    }

    /**
     * Writes all that {@link #restore} reads.
     *
     * @param directory to write into
     */
    protected void write(Path directory) {
        AdapterWeights.write(directory, entriesToWrite());
        writeConfiguration(directory, complete(configuration()));
    }

    /**
     * Writes what another program loads, where that is not what {@link #write} writes.
     *
     * @param directory to write into
     */
    protected void writeForOthers(Path directory) {
        write(directory);
    }

    /**
     * Writes what lies beside the weights: {@code adapter_config.json}, the tokenizer and the chat template that the adapter
     * was read with, and over them the form that the model is trained in.
     *
     * @param directory that of the adapter
     * @param configuration the content of {@code adapter_config.json}
     */
    protected final void writeConfiguration(Path directory, Map<String, @Nullable Object> configuration) {
        AdapterConfigFile.write(directory, configuration);
        if (text != null) {
            text.copyTo(directory);
        }
        model().usedChatTemplate().ifPresent(template -> template.save(directory));
    }

    /** {@return what the file of weights holds: the adapter's parameters, and those of the base that PEFT adds} */
    protected final Map<String, Parameter> entriesToWrite() {
        Map<String, Parameter> entries = new LinkedHashMap<>(parametersByKey());
        parts.forEach(part -> entries.putAll(part.baseParametersByKey()));
        return entries;
    }

    /**
     * {@return a whole configuration: PEFT's defaults and what was read with the adapter, with the method's settings over
     * them}
     *
     * @param own the method's settings under PEFT's keys
     */
    protected final Map<String, @Nullable Object> complete(Map<String, @Nullable Object> own) {
        return PeftKeys.complete(own, loadedConfiguration, model());
    }

    /**
     * Enables a new adapter, or frees it where that fails.
     *
     * @param <A> its kind
     * @param adapter attached and not yet enabled
     * @return the same adapter
     */
    protected static <A extends PeftAdapter> A enabled(A adapter) {
        try {
            adapter.enable();
            return adapter;
        } catch (RuntimeException e) {
            adapter.close();
            throw e;
        }
    }

    /**
     * Takes over what the adapter's directory changes in the base itself: it is taken off with the adapter, after the rest.
     *
     * @param base in the model already, under the parts of this enabled adapter
     * @param words the tokenizer and the template that the adapter was trained with
     */
    final void standOn(List<? extends AdapterPart> base, AdapterDirectory words) {
        parts.addAll(0, base);
        if (words.isPlain()) {
            words.close();
        } else {
            text = words;
            model.useTextOf(words);
        }
    }

    @Override
    public void restore(Path directory) {
        try (CausalLM.Entry entry = model.enter();
                AdapterFiles files = open(directory)) {
            requireOpen();
            PeftKeys.requireSame(files.settings(), configuration());
            load(files);
        }
    }

    /**
     * Opens the files of an adapter of this kind.
     *
     * @param directory of the stored adapter
     * @return its files, which the caller closes
     */
    protected AdapterFiles open(Path directory) {
        return AdapterFiles.open(directory);
    }

    /**
     * Reads the values of an adapter whose settings this one was made with.
     *
     * @param files of the stored adapter
     * @throws UserErrorException when a file is missing, broken or does not fit
     */
    protected void load(AdapterFiles files) {
        Settings settings = files.settings();
        readWeights(files, settings.text("base_model_name_or_path").orElse("another base model"));
        parts.forEach(AdapterPart::restored);
        loadedConfiguration.clear();
        loadedConfiguration.putAll(settings.asMap());
    }

    /**
     * Reads the parameters' values.
     *
     * @param files of the stored adapter
     * @param madeFor what the adapter's configuration says about its base model, for messages
     */
    protected void readWeights(AdapterFiles files, String madeFor) {
        AdapterWeights.read(files, parametersByKey(), model.network(), madeFor);
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        model.alone(() -> {
            disable();
            parts.forEach(AdapterPart::free);
            parts.clear();
            closed = true;
        });
        if (text != null) {
            text.close();
            text = null;
        }
    }
}
