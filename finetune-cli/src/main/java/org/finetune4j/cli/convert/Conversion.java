package org.finetune4j.cli.convert;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** One configuration on its way: what it says, what was said of it in our words so far, and what cannot be said. */
final class Conversion {

    private final Dialect dialect;
    private final Settings given;
    private final Set<String> open;
    private final Map<String, Object> ours = new LinkedHashMap<>();
    private final List<String> notes = new ArrayList<>();
    private final Map<String, String> refused = new LinkedHashMap<>();

    Conversion(Dialect dialect, String origin, Map<String, ? extends @Nullable Object> values) {
        this.dialect = dialect;
        this.given = new Settings(origin, values);
        this.open = new LinkedHashSet<>(given.asMap().keySet());
        // A key without a value says nothing.
        open.removeIf(key -> given.value(key).isEmpty());
    }

    /** The configuration, for reading typed values; a value of another type ends the conversion in one line. */
    Settings given() {
        return given;
    }

    boolean has(String key) {
        return open.contains(key);
    }

    /** The value of a key, or null; nobody else will look at it. */
    @Nullable
    Object take(String key) {
        open.remove(key);
        return given.value(key).orElse(null);
    }

    String text(String key, String fallback) {
        open.remove(key);
        return given.text(key).orElse(fallback);
    }

    boolean flag(String key, boolean fallback) {
        open.remove(key);
        return given.flag(key, fallback);
    }

    double number(String key, double fallback) {
        open.remove(key);
        return given.number(key, fallback);
    }

    int integer(String key, int fallback) {
        open.remove(key);
        return given.integer(key, fallback);
    }

    /** A list, or one text with commas. */
    List<String> list(String key) {
        open.remove(key);
        return given.texts(key).stream()
                .flatMap(text -> Arrays.stream(text.split(",")))
                .map(String::strip)
                .filter(text -> !text.isEmpty())
                .toList();
    }

    /** Says something in our words, in the place of what was said before. */
    void put(String key, Object value) {
        ours.put(key, value);
    }

    @Nullable
    Object ours(String key) {
        return ours.get(key);
    }

    /** Carries a value over as it is, if there is one. */
    void rename(String key, String own) {
        Object value = take(key);
        if (value != null) {
            put(own, value);
        }
    }

    void note(String line) {
        notes.add(line);
    }

    void refuse(String key, String reason) {
        open.remove(key);
        refused.putIfAbsent(key, reason);
    }

    /** What {@code table} knows is carried over, left out or refused; what it does not know keeps its name. */
    void useTable(KeyTable table) {
        for (String key : List.copyOf(open)) {
            table.apply(key, this);
        }
        for (String key : List.copyOf(open)) {
            // The names that transformers, TRL and PEFT have for a key are ours too.
            rename(key, key);
        }
    }

    Converted finish() {
        if (!refused.isEmpty()) {
            throw new UserErrorException(given.origin() + ": of this " + dialect.project()
                    + " configuration cannot be carried over: "
                    + refused.entrySet().stream()
                            .map(entry -> "'" + entry.getKey() + "' (" + entry.getValue() + ")")
                            .collect(Collectors.joining(", ")));
        }
        return new Converted(ours, notes);
    }
}
