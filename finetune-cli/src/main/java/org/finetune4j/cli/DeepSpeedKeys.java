package org.finetune4j.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.finetune4j.InputFiles;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.deepspeed.DeepSpeedFile;
import org.jspecify.annotations.Nullable;

/** What {@code deepspeed: ds_config.json} says, among the keys of the configuration that names it. */
final class DeepSpeedKeys {

    /** The key that names a file, or holds its content. */
    static final String KEY = "deepspeed";

    private DeepSpeedKeys() {}

    /**
     * The settings with what the file says.
     *
     * @param given may name a file
     * @param decided keys that go before the file
     * @throws UserErrorException when both say different things, or the file asks for something that there is not
     */
    @SuppressWarnings("unchecked")
    static Settings with(Settings given, Set<String> decided) {
        Object named = given.asMap().get(KEY);
        if (named == null || named.equals("") || named.equals(false)) {
            return given;
        }
        String place = given.origin() + ": '" + KEY + "'";
        DeepSpeedFile file;
        if (named instanceof Map<?, ?> map) {
            file = DeepSpeedFile.of(place, (Map<String, ?>) map);
        } else if (named instanceof String text) {
            Path path = InputFiles.path(place, text);
            if (!Files.isRegularFile(path)) {
                throw given.invalid(KEY, "DeepSpeed's JSON, and there is no such file");
            }
            file = DeepSpeedFile.read(path);
        } else {
            throw given.invalid(KEY, "the name of DeepSpeed's JSON file");
        }
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        values.putAll(given.asMap());
        file.values().forEach((key, value) -> {
            Object there = values.get(key);
            if (there != null && !decided.contains(key) && !same(there, value)) {
                throw new UserErrorException(given.origin() + ": '" + key + "' is " + there + ", and '"
                        + file.place(key) + "' of " + file.origin() + " is " + value
                        + ": give one of them, the other may be \"auto\"");
            }
            values.putIfAbsent(key, value);
        });
        return new Settings(given.origin(), values, given.written());
    }

    private static boolean same(Object one, Object other) {
        try {
            return Double.parseDouble(one.toString()) == Double.parseDouble(other.toString());
        } catch (NumberFormatException e) {
            return one.toString().equals(other.toString());
        }
    }
}
