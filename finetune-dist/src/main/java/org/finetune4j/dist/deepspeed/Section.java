package org.finetune4j.dist.deepspeed;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** One object of the file. What is {@code "auto"} is left to the training's own configuration, as if it were not there. */
final class Section {

    private static final String AUTO = "auto";

    private final String file;
    private final String path;
    private final Settings settings;
    private final Map<String, String> refused = new LinkedHashMap<>();

    /**
     * @param file what messages call the file
     * @param path of this object in it, empty for the whole
     * @param values of the object
     */
    Section(String file, String path, Map<String, ?> values) {
        this.file = file;
        this.path = path;
        Map<String, @Nullable Object> decided = new LinkedHashMap<>();
        values.forEach((key, value) -> decided.put(key, AUTO.equals(value) ? null : value));
        this.settings = new Settings(path.isEmpty() ? file : file + ", in '" + path + "'", decided);
    }

    /** Where a key of this object is in the file. */
    String place(String key) {
        return path.isEmpty() ? key : path + "." + key;
    }

    Settings settings() {
        return settings;
    }

    boolean has(String key) {
        return settings.has(key);
    }

    /** An object below this one; an empty one where there is none. */
    @SuppressWarnings("unchecked")
    Section section(String key) {
        Object value = settings.value(key).orElse(Map.of());
        if (!(value instanceof Map<?, ?> map)) {
            throw settings.invalid(key, "an object with keys and values");
        }
        return new Section(file, place(key), (Map<String, ?>) map);
    }

    /** Keys that may be there, whatever they say: they change how fast something is, or what is printed, and not what is calculated. */
    void ignore(String... keys) {
        for (String key : keys) {
            settings.has(key);
        }
    }

    /** A key that may say nothing but this; anything else is refused. */
    void require(String key, Object only, String reason) {
        Optional<Object> value = settings.value(key);
        if (value.isPresent() && !same(value.get(), only)) {
            throw refusal(key, reason);
        }
    }

    private static boolean same(Object one, Object other) {
        if (one instanceof Number a && other instanceof Number b) {
            return a.doubleValue() == b.doubleValue();
        }
        return one.equals(other);
    }

    /** A key that there is nothing for here, unless its object is turned off by {@code "enabled": false}. */
    void refuse(String key, String reason) {
        refused.put(key, reason);
    }

    /** One of some names, with what it is here. */
    String oneOf(String key, Map<String, String> names, String fallback) {
        Optional<String> given = settings.text(key);
        if (given.isEmpty()) {
            return fallback;
        }
        String found = names.get(given.get());
        if (found == null) {
            throw new UserErrorException(file + ": '" + place(key) + "' is " + given.get() + ", which there is not here"
                    + Suggestions.among(given.get(), names.keySet()));
        }
        return found;
    }

    /** Nothing may be left that nobody asked for. */
    void finish() {
        settings.refuseUnknown((key, value) -> {
            String reason = refused.get(key);
            if (reason != null) {
                if (isOff(value)) {
                    return null;
                }
                throw refusal(key, reason);
            }
            Set<String> known = settings.known();
            throw new UserErrorException(
                    file + ": '" + place(key) + "' is not known" + Suggestions.didYouMean(key, known));
        });
    }

    private static boolean isOff(@Nullable Object value) {
        return value == null
                || value.equals(false)
                || value.equals(Map.of())
                || (value instanceof Map<?, ?> map && Boolean.FALSE.equals(map.get("enabled")));
    }

    private UserErrorException refusal(String key, String reason) {
        return new UserErrorException(file + ": '" + place(key) + "' cannot be used: " + reason);
    }
}
