package org.finetune4j.peft.merge;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** PEFT's {@code combination_type}: how several LoRA adapters become one. */
public enum CombinationType {
    LINEAR,
    CAT,
    SVD,
    TIES,
    TIES_SVD,
    DARE_LINEAR,
    DARE_LINEAR_SVD,
    DARE_TIES,
    DARE_TIES_SVD,
    MAGNITUDE_PRUNE,
    MAGNITUDE_PRUNE_SVD;

    /** PEFT's name, such as {@code ties_svd}. */
    public String peftName() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether whole updates are merged and compressed again, instead of their factors. */
    public boolean compresses() {
        return name().endsWith("SVD");
    }

    /**
     * The type of PEFT's name.
     *
     * @throws UserErrorException when there is none, with the nearest
     */
    public static CombinationType parse(String name) {
        List<String> names =
                Arrays.stream(values()).map(CombinationType::peftName).toList();
        if (!names.contains(name)) {
            throw new UserErrorException(
                    "there is no combination type '" + name + "'" + Suggestions.didYouMean(name, names));
        }
        return valueOf(name.toUpperCase(Locale.ROOT));
    }
}
