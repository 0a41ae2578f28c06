package org.finetune4j.cli;

import java.util.function.Supplier;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;

/** Looks up what settings name. */
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
}
