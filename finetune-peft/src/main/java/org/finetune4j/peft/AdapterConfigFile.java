package org.finetune4j.peft;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** PEFT's {@code adapter_config.json}. */
public final class AdapterConfigFile {

    /** The file's name. */
    public static final String NAME = "adapter_config.json";

    private AdapterConfigFile() {}

    /** Whether the directory holds an adapter of this {@code peft_type}. */
    public static boolean isOfType(Path directory, String peftType) {
        return Files.isRegularFile(directory.resolve(NAME))
                && read(directory).text("peft_type").orElse("").equals(peftType);
    }

    /**
     * Reads the configuration of an adapter directory.
     *
     * @throws UserErrorException when the file is missing or is not a JSON object
     */
    public static Settings read(Path directory) {
        Path file = directory.resolve(NAME);
        return new Settings(file.toString(), Json.toMap(InputFiles.jsonObject(file)));
    }

    /** Writes the configuration as Python's {@code json.dumps(indent=2, sort_keys=True)} lays it out. */
    public static void write(Path directory, Map<String, ? extends @Nullable Object> values) {
        AtomicFiles.writeString(directory.resolve(NAME), Json.writeAsPython(values));
    }
}
