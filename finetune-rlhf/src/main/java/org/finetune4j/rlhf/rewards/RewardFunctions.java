package org.finetune4j.rlhf.rewards;

import java.lang.reflect.InvocationTargetException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.Reasons;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Reads {@code reward_funcs} of a configuration: a list of names, of addresses of services, of Java classes, and of maps with a
 * {@code type} and its settings.
 */
public final class RewardFunctions {

    private static final String KEY = "reward_funcs";
    private static final int LONGEST_SECONDS = 24 * 3600;

    private interface Reader {
        RewardSource read(Settings settings);
    }

    private static final Map<String, Reader> TYPES = new LinkedHashMap<>();

    static {
        TYPES.put(
                "exact_match",
                settings -> RewardSource.of(
                        "exact_match", new ExactMatchReward(column(settings), settings.flag("ignore_case", false))));
        TYPES.put("number_match", settings -> RewardSource.of("number_match", new NumberMatchReward(column(settings))));
        TYPES.put(
                "regex",
                settings -> RewardSource.of(
                        "regex",
                        new RegexReward(settings.requiredText("pattern"), settings.flag("full_match", false))));
        TYPES.put("length", RewardFunctions::length);
        TYPES.put("overlong", RewardFunctions::overlong);
        for (FormatReward format : FormatReward.values()) {
            String name = format.name().toLowerCase(Locale.ROOT) + "_format";
            TYPES.put(name, settings -> RewardSource.of(name, format));
        }
        TYPES.put(
                "java_test",
                settings ->
                        new JavaTestReward(settings.text("column").orElse("test"), seconds(settings, "timeout", 20)));
        TYPES.put("command", RewardFunctions::command);
        TYPES.put("http", RewardFunctions::http);
        TYPES.put("class", settings -> ofClass(settings.requiredText("name")));
    }

    private RewardFunctions() {}

    /**
     * The rewards that a configuration names.
     *
     * @param settings with {@code reward_funcs}, or without
     * @return in their order; none where nothing is named
     * @throws UserErrorException when one is unknown or its settings are wrong
     */
    public static List<RewardSource> read(Settings settings) {
        List<RewardSource> sources = new ArrayList<>();
        Object value = settings.value(KEY).orElse(List.of());
        try {
            for (Object entry : value instanceof List<?> list ? list : List.of(value)) {
                sources.add(read(settings, entry));
            }
            return sources;
        } catch (RuntimeException e) {
            sources.forEach(RewardSource::close);
            throw e;
        }
    }

    private static RewardSource read(Settings settings, @Nullable Object entry) {
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        if (entry instanceof Map<?, ?> map) {
            map.forEach((key, value) -> values.put(String.valueOf(key), value));
        } else if (entry instanceof String name && name.matches("(?i)https?://.*")) {
            values.put("type", "http");
            values.put("url", name);
        } else if (entry instanceof String name && !TYPES.containsKey(name) && name.contains(".")) {
            values.put("type", "class");
            values.put("name", name);
        } else {
            values.put("type", entry);
        }
        Settings own = new Settings(settings.origin() + ": " + KEY, values);
        String type = own.requiredText("type");
        Reader reader = TYPES.get(type);
        if (reader == null) {
            throw new UserErrorException(own.origin() + ": unknown reward '" + Reasons.excerpt(type) + "'"
                    + Suggestions.didYouMean(type, TYPES.keySet()));
        }
        RewardSource source = reader.read(own);
        try {
            own.refuseUnknown();
            return source;
        } catch (RuntimeException e) {
            source.close();
            throw e;
        }
    }

    private static String column(Settings settings) {
        return settings.text("column").orElse("answer");
    }

    private static Duration seconds(Settings settings, String key, double fallback) {
        return Duration.ofMillis(Math.round(1000 * settings.number(key, fallback, 0.001, LONGEST_SECONDS)));
    }

    private static RewardSource length(Settings settings) {
        LengthReward.Unit unit = choice(settings, "unit", LengthReward.Unit.CHARACTERS, LengthReward.Unit.class);
        int minimum = settings.integer("min", 0, 0);
        int maximum = settings.integer("max", Integer.MAX_VALUE, Math.max(1, minimum));
        return RewardSource.of("length", new LengthReward(unit, minimum, maximum));
    }

    private static RewardSource overlong(Settings settings) {
        int maximum = settings.integer("max", 256, 1);
        int margin = settings.integer("margin", Math.max(1, maximum / 5), 1, maximum);
        return RewardSource.of("overlong", new OverlongPunishment(maximum, margin));
    }

    private static RewardSource command(Settings settings) {
        List<String> command = settings.texts("command");
        if (command.isEmpty()) {
            throw settings.invalid("command", "a program and its arguments, such as [python3, score.py]");
        }
        return new CommandReward(command, seconds(settings, "timeout", 10));
    }

    private static RewardSource http(Settings settings) {
        return new HttpReward(new HttpRewardOptions(
                HttpRewardOptions.of(settings.requiredText("url")).endpoint(),
                seconds(settings, "timeout", (double) HttpRewardOptions.TIMEOUT.toSeconds()),
                settings.integer("tries", HttpRewardOptions.TRIES, 1, 100),
                seconds(settings, "backoff", (double) HttpRewardOptions.BACKOFF.toSeconds()),
                Map.of()));
    }

    private static <E extends Enum<E>> E choice(Settings settings, String key, E fallback, Class<E> type) {
        String text = settings.text(key).orElse(fallback.name());
        for (E constant : type.getEnumConstants()) {
            if (constant.name().equalsIgnoreCase(text)) {
                return constant;
            }
        }
        throw settings.invalid(
                key,
                "one of "
                        + String.join(
                                ", ",
                                Arrays.stream(type.getEnumConstants())
                                        .map(constant -> constant.name().toLowerCase(Locale.ROOT))
                                        .toList()));
    }

    /** A class of the user's on the class path. */
    private static RewardSource ofClass(String name) {
        try {
            Object made = Class.forName(name).getDeclaredConstructor().newInstance();
            if (made instanceof RewardSource source) {
                return source;
            }
            if (made instanceof RewardFunction function) {
                return RewardSource.of(made.getClass().getSimpleName(), function);
            }
            throw new UserErrorException(
                    KEY + ": class '" + Reasons.excerpt(name) + "' is neither a RewardFunction nor a RewardSource");
        } catch (InvocationTargetException e) {
            throw new UserErrorException(
                    KEY + ": class '" + Reasons.excerpt(name) + "' failed: " + Reasons.of(e.getTargetException()), e);
        } catch (ReflectiveOperationException | LinkageError e) {
            throw new UserErrorException(
                    KEY + ": there is no class '" + Reasons.excerpt(name)
                            + "' with a public constructor without parameters on the class path",
                    e);
        }
    }
}
