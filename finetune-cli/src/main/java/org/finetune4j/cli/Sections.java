package org.finetune4j.cli;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;

/** Keys inside a key: {@code auto: {budget_steps: 600}}, or {@code auto.budget_steps=600} in the arguments. */
final class Sections {

    private Sections() {}

    /**
     * The keys of a section; those of the arguments go before those of the file.
     *
     * @throws UserErrorException when the section is no map
     */
    static Map<String, Object> take(Settings settings, String name) {
        Map<String, Object> section = new LinkedHashMap<>();
        Optional<Object> given = settings.value(name);
        if (given.isPresent()) {
            if (!(given.get() instanceof Map<?, ?> map)) {
                throw settings.invalid(name, "keys and values");
            }
            map.forEach((key, value) -> {
                if (value != null) {
                    section.put(String.valueOf(key), value);
                }
            });
        }
        settings.asMap().forEach((key, value) -> {
            if (key.startsWith(name + ".") && value != null) {
                section.put(key.substring(name.length() + 1), value);
            }
        });
        return section;
    }

    /**
     * Refuses a key beside sections that every one of them sets itself, so that nothing would read it.
     *
     * @param shared what is set beside the sections
     * @param sections what each of them sets
     * @param called what messages call one of them, such as {@code task}
     * @throws UserErrorException for the first such key
     */
    static void refuseOverridden(
            Settings settings, Collection<String> shared, Collection<Map<String, Object>> sections, String called) {
        for (String key : shared) {
            if (sections.stream().allMatch(section -> section.containsKey(key))) {
                throw new UserErrorException(settings.origin() + ": '" + key + "' is read by no " + called
                        + ", since every one sets its own: leave it out, or name it in the one that it is for");
            }
        }
    }

    /** Adds the place of the settings to what is said of them. */
    static <T> T placed(Settings settings, Supplier<T> made) {
        try {
            return made.get();
        } catch (UserErrorException e) {
            String message = String.valueOf(e.getMessage());
            throw message.startsWith(settings.origin())
                    ? e
                    : new UserErrorException(settings.origin() + ": " + message, e);
        }
    }
}
