package org.finetune4j.model.gguf;

import java.util.List;

/** A value of a GGUF file's metadata. */
public sealed interface GgufValue {

    /** UTF-8 text. */
    record Text(String value) implements GgufValue {}

    /** An unsigned integer, 32 bits when written. */
    record Unsigned(long value) implements GgufValue {}

    /** A float32 number. */
    record Real(float value) implements GgufValue {}

    record Flag(boolean value) implements GgufValue {}

    record Texts(List<String> values) implements GgufValue {
        public Texts {
            values = List.copyOf(values);
        }
    }

    /** Signed integers of 32 bits. */
    record Integers(List<Integer> values) implements GgufValue {
        public Integers {
            values = List.copyOf(values);
        }
    }

    /** Numbers of type float32. */
    record Reals(List<Float> values) implements GgufValue {
        public Reals {
            values = List.copyOf(values);
        }
    }
}
