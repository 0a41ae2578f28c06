package org.finetune4j.peft;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.jspecify.annotations.Nullable;

/** PEFT's {@code adapter_config.json}. */
public final class AdapterConfigFile {

    /** The file's name. */
    public static final String NAME = AdapterDirectory.CONFIG;

    /** Keys that say how large an adapter's tensors are. */
    private static final List<String> SIZES = List.of("r", "init_r", "rank_pattern", "num_virtual_tokens");

    /** A rank may be larger than the tensors of very small models, and LoKr's file need not show it. */
    private static final long ALWAYS_POSSIBLE = 256;

    private AdapterConfigFile() {}

    /**
     * {@return whether the directory holds an adapter of this {@code peft_type}}
     *
     * @param directory of the adapter
     * @param peftType such as {@code LORA}
     */
    public static boolean isOfType(Path directory, String peftType) {
        return typeOf(directory).orElse("").equals(peftType);
    }

    /** The {@code peft_type}, where there is a configuration that says one. */
    static Optional<String> typeOf(Path directory) {
        return Files.isRegularFile(directory.resolve(NAME))
                ? unchecked(directory).text("peft_type")
                : Optional.empty();
    }

    /**
     * Reads the configuration of an adapter directory.
     *
     * @param directory of the adapter
     * @return what it says
     * @throws UserErrorException when the file is missing or is not a JSON object
     */
    public static Settings read(Path directory) {
        try (AdapterFiles files = AdapterFiles.open(directory)) {
            return files.settings();
        }
    }

    /** As {@link #read}, whatever the weights are. */
    static Settings unchecked(Path directory) {
        Path file = directory.resolve(NAME);
        return new Settings(file.toString(), Json.toMap(InputFiles.jsonObject(file)));
    }

    /** An adapter is built before its weights are read: what its file cannot hold would ask for any amount of memory. */
    static void checkSizes(Settings settings, SafetensorsFile weights) {
        Map<String, ?> values = settings.asMap(); // so that no key counts as one that was asked for
        if (SIZES.stream().allMatch(key -> values.get(key) == null)) {
            return;
        }
        long largest = ALWAYS_POSSIBLE;
        for (String name : weights.names()) {
            for (long size : weights.info(name).shape()) {
                largest = Math.max(largest, size);
            }
        }
        for (String key : SIZES) {
            for (Object size : values.get(key) instanceof Map<?, ?> map
                    ? map.values()
                    : List.of(Objects.requireNonNullElse(values.get(key), 0))) {
                if (size instanceof Number number && number.doubleValue() > largest) {
                    throw settings.invalid(
                            key,
                            "at most " + largest + ", since no tensor in "
                                    + weights.stored().path().getFileName() + " is larger");
                }
            }
        }
    }

    /**
     * Writes the configuration as Python's {@code json.dumps(indent=2, sort_keys=True)} lays it out.
     *
     * @param directory of the adapter
     * @param values under PEFT's keys
     */
    public static void write(Path directory, Map<String, ? extends @Nullable Object> values) {
        AtomicFiles.writeString(directory.resolve(NAME), Json.writeAsPython(values));
    }
}
