package org.finetune4j.strategy;

import java.util.List;
import org.finetune4j.Services;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/**
 * A kind of fine-tuning, as configurations name it: it makes a {@link FineTuningStrategy} of a user's settings. Implementations
 * are named in {@code META-INF/services}.
 */
public interface FineTuningMethod {

    /** {@return the method's name, such as {@code lora}} */
    String name();

    /**
     * Reads the method's settings; what it does not ask for is somebody else's.
     *
     * @param settings all that the user set, the method's own among them
     * @return the method with these settings
     */
    FineTuningStrategy create(Settings settings);

    /** {@return all methods on the class path} */
    static List<FineTuningMethod> all() {
        return Services.of(FineTuningMethod.class);
    }

    /**
     * The method of this name.
     *
     * @param name as configurations name it
     * @return the method
     * @throws UserErrorException when there is none, with the nearest name
     */
    static FineTuningMethod named(String name) {
        List<FineTuningMethod> all = all();
        return all.stream()
                .filter(known -> known.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new UserErrorException("unknown method '" + name + "'"
                        + Suggestions.among(
                                name, all.stream().map(FineTuningMethod::name).toList())));
    }
}
