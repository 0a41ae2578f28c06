package org.finetune4j.train.stage;

import java.util.List;
import org.finetune4j.Services;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/**
 * A kind of training as configurations name it, {@code stage: sft}: it makes a {@link Stage} of a user's settings.
 * Implementations are named in {@code META-INF/services}.
 */
public interface StageProvider {

    /** {@return the stage's name, such as {@code sft}} */
    String name();

    /**
     * Reads the stage's own settings; what it does not ask for is somebody else's, and refused where it is another stage's.
     *
     * @param settings all that the user set
     * @return the stage with these settings
     * @throws UserErrorException for the first value that cannot be used
     */
    Stage create(Settings settings);

    /** {@return all stages on the class path} */
    static List<StageProvider> all() {
        return Services.of(StageProvider.class);
    }

    /**
     * The stage of this name.
     *
     * @param name as configurations name it
     * @return what makes it
     * @throws UserErrorException when there is none, with the nearest name
     */
    static StageProvider named(String name) {
        List<StageProvider> all = all();
        return all.stream()
                .filter(known -> known.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new UserErrorException("unknown stage '" + name + "'"
                        + Suggestions.among(
                                name, all.stream().map(StageProvider::name).toList())));
    }
}
