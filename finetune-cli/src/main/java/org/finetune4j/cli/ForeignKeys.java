package org.finetune4j.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.train.stage.StageProvider;
import org.jspecify.annotations.Nullable;

/**
 * Judges the keys of a configuration that nothing reads: those of transformers, TRL and PEFT by the tables beside this class,
 * those of another method or stage by its name, others by the nearest key.
 */
final class ForeignKeys implements Settings.UnknownKey {

    private static final Map<String, Map<String, Object>> TABLE = table("foreign-keys.yaml");
    private static final Map<String, List<String>> CONFIGURATIONS = table("peft-configurations.yaml");
    private static final String ANY = "any";

    /** Configurations of PEFT that lie inside a key. */
    private static final Map<String, String> INSIDE = Map.of("EvaConfig", "eva_config", "LoftQConfig", "loftq_config");

    private final Set<String> known;
    private final String method;
    private final String stage;

    /**
     * @param known every key that was asked for
     * @param method the method of the configuration
     * @param stage its stage
     */
    ForeignKeys(Set<String> known, String method, String stage) {
        this.known = known;
        this.method = method;
        this.stage = stage;
    }

    @SuppressWarnings("unchecked")
    private static <V> Map<String, V> table(String resource) {
        try (InputStream in = ForeignKeys.class.getResourceAsStream(resource)) {
            return TrainingConfig.YAML.readValue(Objects.requireNonNull(in, resource), LinkedHashMap.class);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The keys of transformers, TRL and PEFT that are judged by a table. */
    static Set<String> names() {
        return TABLE.keySet();
    }

    /** Why a key of the table cannot be used. */
    static String reason(String key) {
        return String.valueOf(TABLE.getOrDefault(key, Map.of()).get("reason"));
    }

    @Override
    public @Nullable String problem(String key, @Nullable Object value) {
        Map<String, Object> entry = TABLE.get(key);
        if (entry != null) {
            // The value is not shown: a token may be one.
            return value == null || accepts(entry, value) ? null : "'" + key + "' cannot be used: " + reason(key);
        }
        List<String> methods = methodsWith(key);
        if (!methods.isEmpty()) {
            return "'" + key + "' belongs to method " + String.join(", ", methods) + ", and this is method " + method;
        }
        List<String> stages = stagesWith(key);
        if (!stages.isEmpty()) {
            return "'" + key + "' belongs to stage " + String.join(", ", stages) + ", and this is stage " + stage;
        }
        String renamed = FamiliarKeys.renamed(key);
        if (renamed != null) {
            return "unknown key '" + key + "': here it is '" + renamed + "'";
        }
        for (Map.Entry<String, List<String>> configuration : CONFIGURATIONS.entrySet()) {
            if (configuration.getValue().contains(key)) {
                return ofPeft(key, configuration.getKey());
            }
        }
        Set<String> all = new LinkedHashSet<>(known);
        all.addAll(FamiliarKeys.names());
        return "unknown key '" + key + "'" + Suggestions.didYouMean(key, all);
    }

    private static String ofPeft(String key, String configuration) {
        String outer = INSIDE.get(configuration);
        return outer != null
                ? "'" + key + "' is a key inside '" + outer + "'"
                : "'" + key + "' is a key of PEFT's " + configuration + ", which is not built here";
    }

    private static List<String> methodsWith(String key) {
        return FineTuningMethod.all().stream()
                .filter(method -> keysOf(method.name(), method::create).contains(key))
                .map(FineTuningMethod::name)
                .toList();
    }

    private static List<String> stagesWith(String key) {
        return StageProvider.all().stream()
                .filter(stage -> keysOf(stage.name(), stage::create).contains(key))
                .map(StageProvider::name)
                .toList();
    }

    /** The keys that something reads, found by letting it read a configuration without any. */
    private static Set<String> keysOf(String name, Consumer<Settings> reader) {
        Settings nothing = new Settings(name, Map.of());
        try {
            reader.accept(nothing);
        } catch (UserErrorException e) {
            // A key that must be there is missing: what was asked for before it counts.
        }
        return nothing.known();
    }

    private static boolean accepts(Map<String, Object> entry, Object value) {
        return entry.get("accepts") instanceof List<?> accepted
                && accepted.stream().anyMatch(one -> ANY.equals(one) || same(one, value));
    }

    /** Whether two values say the same: 0 and 0.0, {@code true} and {@code "True"}. */
    private static boolean same(Object one, Object other) {
        if (one instanceof Number a && other instanceof Number b) {
            return a.doubleValue() == b.doubleValue();
        }
        return one.equals(other)
                || String.valueOf(one)
                        .toLowerCase(Locale.ROOT)
                        .equals(String.valueOf(other).toLowerCase(Locale.ROOT));
    }
}
