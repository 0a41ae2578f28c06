package org.finetune4j.model.gguf;

import java.util.List;

/** A value of a GGUF file's metadata. */
public sealed interface GgufValue {

    /** UTF-8 text. */
    record Text(String value) implements GgufValue {}

    /**
     * An unsigned integer, 32 bits when written.
     *
     * @param value at least 0
     */
    record Unsigned(long value) implements GgufValue {}

    /**
     * A float32 number.
     *
     * @param value the number
     */
    record Real(float value) implements GgufValue {}

    /**
     * A truth value.
     *
     * @param value the value
     */
    record Flag(boolean value) implements GgufValue {}

    /**
     * A list of texts.
     *
     * @param values the texts
     */
    record Texts(List<String> values) implements GgufValue {
        /**
         * Takes a copy of the list.
         *
         * @param values the texts
         */
        public Texts {
            values = List.copyOf(values);
        }
    }

    /**
     * Signed integers of 32 bits.
     *
     * @param values the numbers
     */
    record Integers(List<Integer> values) implements GgufValue {
        /**
         * Takes a copy of the list.
         *
         * @param values the numbers
         */
        public Integers {
            values = List.copyOf(values);
        }
    }

    /**
     * Numbers of type float32.
     *
     * @param values the numbers
     */
    record Reals(List<Float> values) implements GgufValue {
        /**
         * Takes a copy of the list.
         *
         * @param values the numbers
         */
        public Reals {
            values = List.copyOf(values);
        }
    }
}
