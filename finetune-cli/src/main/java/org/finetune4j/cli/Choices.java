package org.finetune4j.cli;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** Reads one of a few words. */
final class Choices {

    private Choices() {}

    /** Looks something up whose errors do not know the key that the name stands under. */
    static <T> T naming(Settings settings, String key, Supplier<T> lookup) {
        try {
            return lookup.get();
        } catch (UserErrorException e) {
            throw new UserErrorException(settings.origin() + ": '" + key + "': " + e.getMessage(), e);
        }
    }

    /** @throws UserErrorException when the value is none of the constants' names in lower case */
    static <E extends Enum<E>> E of(Settings settings, String key, E[] values, E fallback) {
        String name = settings.text(key).orElse(fallback.name()).toLowerCase(Locale.ROOT);
        List<String> names = Arrays.stream(values)
                .map(value -> value.name().toLowerCase(Locale.ROOT))
                .toList();
        int index = names.indexOf(name);
        if (index < 0) {
            throw new UserErrorException(settings.origin() + ": '" + key + "' is " + name + ", expected "
                    + String.join(", ", names) + Suggestions.didYouMean(name, names));
        }
        return values[index];
    }
}
