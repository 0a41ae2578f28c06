package org.finetune4j.strategy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.finetune4j.InputFiles;
import org.finetune4j.model.CausalLM;

/**
 * An adapter that was trained before, here or by PEFT, and trains on: it brings its kind and its settings. What it has learned is
 * where the training begins; the optimizer begins anew.
 */
public final class StoredAdapter implements FineTuningStrategy {

    private static final String CONFIGURATION = "adapter_config.json";

    /** Kinds that change no weight of the base. */
    private static final Set<String> BESIDE_THE_BASE =
            Set.of("adapter", "prefix_tuning", "prompt_tuning", "p_tuning", "multitask_prompt_tuning");

    private final Path directory;
    private final String method;

    private StoredAdapter(Path directory, String method) {
        this.directory = directory;
        this.method = method;
    }

    /**
     * Looks at an adapter.
     *
     * @param directory with its files
     * @return what trains it on
     * @throws org.finetune4j.UserErrorException when there is none, or it is of no kind that is known
     */
    public static StoredAdapter of(Path directory) {
        AdapterFormat.of(directory);
        Path configuration = directory.resolve(CONFIGURATION);
        String type = Files.exists(configuration)
                ? InputFiles.jsonObject(configuration).path("peft_type").asText("")
                : "";
        return new StoredAdapter(directory, type.isEmpty() ? "adapter" : type.toLowerCase(Locale.ROOT));
    }

    /** {@return the kind's name, such as {@code lora}} */
    @Override
    public String method() {
        return method;
    }

    @Override
    public DeltaKind deltaKind() {
        return mergesIntoBase() ? DeltaKind.REPARAMETERISATION : DeltaKind.ADDITION;
    }

    @Override
    public AttachedStrategy attach(CausalLM model) {
        return AdapterFormat.load(model, directory, true);
    }

    @Override
    public boolean mergesIntoBase() {
        return !BESIDE_THE_BASE.contains(method);
    }

    @Override
    public Map<String, Object> settings() {
        return Map.of("adapter_name_or_path", directory.toString());
    }
}
