package org.finetune4j.cli.convert;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Keys of another project that need no thought: {@code as} names ours, with {@code words} for values that are called otherwise;
 * {@code accepts} lists the values that say what happens here anyway ({@code [any]}: every one), others are refused with
 * {@code reason}.
 */
final class KeyTable {

    private static final String ANY = "any";

    private final Map<String, Map<String, Object>> entries;

    private KeyTable(Map<String, Map<String, Object>> entries) {
        this.entries = entries;
    }

    static KeyTable read(String resource) {
        try (InputStream in = KeyTable.class.getResourceAsStream(resource)) {
            Map<String, Map<String, Object>> entries = new YAMLMapper()
                    .readValue(
                            Objects.requireNonNull(in, resource),
                            new TypeReference<LinkedHashMap<String, Map<String, Object>>>() {});
            return new KeyTable(entries);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void apply(String key, Conversion conversion) {
        Map<String, Object> entry = entries.get(key);
        if (entry == null) {
            return;
        }
        Object value = conversion.take(key);
        String own = text(entry.get("as"));
        if (own != null) {
            conversion.put(own, Objects.requireNonNull(inOurWords(entry, value)));
        } else if (!accepts(entry, value)) {
            conversion.refuse(key, Objects.requireNonNull(text(entry.get("reason")), key));
        } else if (entry.get("note") != null) {
            conversion.note(key + ": " + entry.get("note"));
        }
    }

    private static @Nullable Object inOurWords(Map<String, Object> entry, @Nullable Object value) {
        Object words = entry.get("words");
        return words instanceof Map<?, ?> map && map.containsKey(String.valueOf(value))
                ? map.get(String.valueOf(value))
                : value;
    }

    private static boolean accepts(Map<String, Object> entry, @Nullable Object value) {
        return entry.get("accepts") instanceof List<?> accepted
                && accepted.stream().anyMatch(one -> ANY.equals(one) || same(one, value));
    }

    private static boolean same(@Nullable Object one, @Nullable Object other) {
        if (one instanceof Number a && other instanceof Number b) {
            return a.doubleValue() == b.doubleValue();
        }
        return String.valueOf(one)
                .toLowerCase(Locale.ROOT)
                .equals(String.valueOf(other).toLowerCase(Locale.ROOT));
    }

    private static @Nullable String text(@Nullable Object value) {
        return value == null ? null : value.toString();
    }
}
