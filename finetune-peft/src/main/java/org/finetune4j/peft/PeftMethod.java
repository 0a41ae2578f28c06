package org.finetune4j.peft;

import java.nio.file.Path;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.RowAdapterPool;

/**
 * A method known under its name in configurations and under its {@code peft_type} in adapter directories. A method
 * is one subclass, named in {@code META-INF/services} for both.
 */
public abstract class PeftMethod implements FineTuningMethod, AdapterFormat {

    private final String name;
    private final String peftType;

    /**
     * @param name the name in configurations, such as {@code vera}
     * @param peftType PEFT's name, such as {@code VERA}
     */
    protected PeftMethod(String name, String peftType) {
        this.name = name;
        this.peftType = peftType;
    }

    /**
     * Reads the method's settings.
     *
     * @param settings under PEFT's keys
     * @param fromFile whether they are an adapter's own file and not a user's configuration
     * @return the method with these settings
     */
    protected abstract PeftStrategy read(Settings settings, boolean fromFile);

    /**
     * Reads the settings of a stored adapter.
     *
     * @param files of the adapter
     * @return the method with these settings
     */
    protected PeftStrategy read(AdapterFiles files) {
        return read(files.settings(), true);
    }

    @Override
    public final String name() {
        return name;
    }

    /** {@return PEFT's name, such as {@code VERA}} */
    public final String peftType() {
        return peftType;
    }

    @Override
    public final PeftStrategy create(Settings settings) {
        return read(settings, false);
    }

    @Override
    public final boolean accepts(Path directory) {
        return AdapterConfigFile.isOfType(directory, peftType);
    }

    /** Whether these are the settings of an adapter of this kind. */
    final boolean accepts(Settings settings) {
        return settings.text("peft_type").orElse("").equals(peftType);
    }

    @Override
    public final RowAdapterPool pool(CausalLM model) {
        return new RowPool(model);
    }

    /** Reads an adapter that lies beside others; nothing of the model is changed. */
    final PeftAdapter aside(CausalLM model, AdapterFiles files) {
        return AdapterReader.aside(
                model, files, settings -> read(settings, true).create(model, false));
    }

    @Override
    public final PeftStrategy method(Path directory) {
        try (AdapterFiles files = AdapterFiles.open(directory)) {
            return read(files);
        }
    }

    @Override
    public final Adapter attach(CausalLM model, Path directory, boolean trainable) {
        try (AdapterFiles files = AdapterFiles.open(directory)) {
            return attach(model, files, trainable);
        }
    }

    private Adapter attach(CausalLM model, AdapterFiles files, boolean trainable) {
        Settings settings = files.settings();
        PeftStrategy strategy = read(files);
        return AdapterReader.read(model, files, () -> {
            try {
                return strategy.attach(model, trainable);
            } catch (UserErrorException e) {
                throw new UserErrorException(
                        files.directory() + ": " + e.getMessage() + "; the adapter was made for "
                                + settings.text("base_model_name_or_path").orElse("another base model"),
                        e);
            }
        });
    }
}
