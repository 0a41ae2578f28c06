package org.finetune4j.peft.merge;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** PEFT's {@code combination_type}: how several LoRA adapters become one. */
public enum CombinationType {
    /** The weighted sums of the factors; the ranks must be the same. */
    LINEAR,
    /** The factors one after the other: the exact sum of the updates, with the sum of the ranks. */
    CAT,
    /** The weighted sum of the updates, compressed. */
    SVD,
    /** As {@link Ties} merges, factor by factor. */
    TIES,
    /** As {@link Ties} merges whole updates, compressed. */
    TIES_SVD,
    /** As {@link Dare#linear} merges, factor by factor. */
    DARE_LINEAR,
    /** As {@link Dare#linear} merges whole updates, compressed. */
    DARE_LINEAR_SVD,
    /** As {@link Dare#ties} merges, factor by factor. */
    DARE_TIES,
    /** As {@link Dare#ties} merges whole updates, compressed. */
    DARE_TIES_SVD,
    /** As {@link MagnitudePruning} merges, factor by factor. */
    MAGNITUDE_PRUNE,
    /** As {@link MagnitudePruning} merges whole updates, compressed. */
    MAGNITUDE_PRUNE_SVD;

    /** {@return PEFT's name, such as {@code ties_svd}} */
    public String peftName() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** {@return whether whole updates are merged and compressed again, instead of their factors} */
    public boolean compresses() {
        return name().endsWith("SVD");
    }

    /**
     * The type of PEFT's name.
     *
     * @param name in small letters
     * @return the type
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
