package org.finetune4j.quant;

import java.util.Arrays;
import java.util.Locale;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.quant.blockwise.CodeBook;

/** The kinds of numbers that weights are stored as. */
public enum QuantizationType {
    /** 4 bits, quantiles of a normal distribution. */
    NF4,
    /** 4 bits, a small float. */
    FP4,
    /** 8 bits, whole multiples of a 127th of a row's largest magnitude. */
    INT8;

    /** {@return the name in configurations} */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** {@return whether two weights share a byte} */
    public boolean isFourBit() {
        return this != INT8;
    }

    CodeBook codeBook() {
        return switch (this) {
            case NF4 -> CodeBook.NF4;
            case FP4 -> CodeBook.FP4;
            case INT8 -> throw new IllegalStateException("int8 has no code book");
        };
    }

    /**
     * The kind of this name.
     *
     * @param name as in configurations, such as {@code nf4}
     * @param where the name stands, for the message
     * @return the kind
     * @throws UserErrorException when there is none
     */
    public static QuantizationType named(String name, String where) {
        return Arrays.stream(values())
                .filter(type -> type.label().equals(name.toLowerCase(Locale.ROOT)))
                .findFirst()
                .orElseThrow(() -> new UserErrorException(where + " is '" + name + "', expected nf4, fp4 or int8"
                        + Suggestions.didYouMean(
                                name,
                                Arrays.stream(values())
                                        .map(QuantizationType::label)
                                        .toList())));
    }
}
