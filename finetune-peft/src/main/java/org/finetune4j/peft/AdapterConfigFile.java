package org.finetune4j.peft;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.jspecify.annotations.Nullable;

/** PEFT's {@code adapter_config.json}. */
public final class AdapterConfigFile {

    /** The file's name. */
    public static final String NAME = "adapter_config.json";

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
        return Files.isRegularFile(directory.resolve(NAME))
                && read(directory).text("peft_type").orElse("").equals(peftType);
    }

    /**
     * Reads the configuration of an adapter directory.
     *
     * @param directory of the adapter
     * @return what it says
     * @throws UserErrorException when the file is missing or is not a JSON object
     */
    public static Settings read(Path directory) {
        Path file = directory.resolve(NAME);
        Settings settings = new Settings(file.toString(), Json.toMap(InputFiles.jsonObject(file)));
        checkSizes(directory, settings);
        return settings;
    }

    /** An adapter is built before its weights are read: what its file cannot hold would ask for any amount of memory. */
    private static void checkSizes(Path directory, Settings settings) {
        Path weights = directory.resolve(AdapterWeights.NAME);
        Map<String, ?> values = settings.asMap(); // so that no key counts as one that was asked for
        if (SIZES.stream().allMatch(key -> values.get(key) == null) || !Files.isRegularFile(weights)) {
            return;
        }
        long largest = ALWAYS_POSSIBLE;
        try (SafetensorsFile file = SafetensorsFile.open(weights)) {
            for (String name : file.names()) {
                for (long size : file.info(name).shape()) {
                    largest = Math.max(largest, size);
                }
            }
        }
        for (String key : SIZES) {
            for (Object size : values.get(key) instanceof Map<?, ?> map
                    ? map.values()
                    : List.of(Objects.requireNonNullElse(values.get(key), 0))) {
                if (size instanceof Number number && number.doubleValue() > largest) {
                    throw settings.invalid(
                            key, "at most " + largest + ", since no tensor in " + weights.getFileName() + " is larger");
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
