package org.finetune4j.peft;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** PEFT's {@code adapter_config.json}. */
public final class AdapterConfigFile {

    /** The file's name. */
    public static final String NAME = "adapter_config.json";

    private static final ObjectMapper JSON = new ObjectMapper().enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS);

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
    @SuppressWarnings("unchecked")
    public static Settings read(Path directory) {
        Path file = directory.resolve(NAME);
        return new Settings(file.toString(), JSON.convertValue(InputFiles.jsonObject(file), LinkedHashMap.class));
    }

    /** Writes the configuration as Python's {@code json.dumps(indent=2, sort_keys=True)} lays it out. */
    public static void write(Path directory, Map<String, ? extends @Nullable Object> values) {
        try {
            DefaultPrettyPrinter printer = new DefaultPrettyPrinter(Separators.createDefaultInstance()
                            .withObjectFieldValueSpacing(Separators.Spacing.AFTER)
                            .withArrayEmptySeparator("")
                            .withObjectEmptySeparator(""))
                    .withArrayIndenter(DefaultIndenter.SYSTEM_LINEFEED_INSTANCE);
            String text = JSON.writer(printer).writeValueAsString(new TreeMap<>(values));
            AtomicFiles.writeString(directory.resolve(NAME), text);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("cannot write an adapter's configuration", e);
        }
    }
}
