package org.finetune4j.tensor;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** Element types of a {@link Tensor}, with the names that safetensors and Hugging Face configurations give them. */
public enum DType {
    /** IEEE 754 single precision. */
    FLOAT32("float32", "F32", 4, ScalarType.Float),
    /** IEEE 754 double precision. */
    FLOAT64("float64", "F64", 8, ScalarType.Double),
    /** IEEE 754 half precision. */
    FLOAT16("float16", "F16", 2, ScalarType.Half),
    /** The upper half of a float32: its range, with eight bits of precision. */
    BFLOAT16("bfloat16", "BF16", 2, ScalarType.BFloat16),
    /** Signed, eight bytes: token ids and positions. */
    INT64("int64", "I64", 8, ScalarType.Long),
    /** Signed, four bytes. */
    INT32("int32", "I32", 4, ScalarType.Int),
    /** Signed, two bytes. */
    INT16("int16", "I16", 2, ScalarType.Short),
    /** Signed, one byte. */
    INT8("int8", "I8", 1, ScalarType.Char),
    /** Unsigned, one byte: raw bytes and packed weights. */
    UINT8("uint8", "U8", 1, ScalarType.Byte),
    /** Truth values, a byte each. */
    BOOL("bool", "BOOL", 1, ScalarType.Bool);

    private static final String MODEL_NAMES = "float32, bfloat16 or float16";

    private final String torchName;
    private final String safetensorsName;
    private final int itemSize;
    private final ScalarType scalarType;

    DType(String torchName, String safetensorsName, int itemSize, ScalarType scalarType) {
        this.torchName = torchName;
        this.safetensorsName = safetensorsName;
        this.itemSize = itemSize;
        this.scalarType = scalarType;
    }

    /**
     * The name in PyTorch and in {@code config.json}: {@code float32}, {@code bfloat16} and so on.
     *
     * @return the name
     */
    public String torchName() {
        return torchName;
    }

    /**
     * The name in a safetensors header: {@code F32}, {@code BF16} and so on.
     *
     * @return the name
     */
    public String safetensorsName() {
        return safetensorsName;
    }

    /** {@return bytes of one element} */
    public int itemSize() {
        return itemSize;
    }

    /** {@return whether values can have fractions} */
    public boolean isFloatingPoint() {
        return this == FLOAT32 || this == FLOAT64 || this == FLOAT16 || this == BFLOAT16;
    }

    /**
     * The type that probabilities and losses are calculated in, as in transformers: float32 for whatever is less exact,
     * while float64 is not made worse.
     *
     * @return float32 or float64
     */
    public DType atLeastFloat32() {
        return this == FLOAT64 ? FLOAT64 : FLOAT32;
    }

    ScalarType scalarType() {
        return scalarType;
    }

    static DType of(ScalarType scalarType) {
        for (DType dtype : values()) {
            // The binding makes a new object for every answer: only the number tells which type it is.
            if (dtype.scalarType.value == scalarType.value) {
                return dtype;
            }
        }
        throw new TensorException("element type " + scalarType + " is not one of " + Arrays.toString(values()));
    }

    /**
     * The type a user or a {@code config.json} names, with or without {@code torch.}, short forms ({@code bf16},
     * {@code fp16}, {@code fp32}) included.
     *
     * @param name in any letters
     * @return the type
     * @throws UserErrorException for any other name, with the nearest valid one
     */
    public static DType parse(String name) {
        String plain = name.toLowerCase(Locale.ROOT).replaceFirst("^torch\\.", "");
        switch (plain) {
            case "fp32", "f32", "float" -> {
                return FLOAT32;
            }
            case "fp16", "f16", "half" -> {
                return FLOAT16;
            }
            case "bf16" -> {
                return BFLOAT16;
            }
            default -> {}
        }
        for (DType dtype : values()) {
            if (dtype.torchName.equals(plain)) {
                return dtype;
            }
        }
        throw new UserErrorException("unknown dtype '" + name + "'"
                + Suggestions.didYouMean(
                        plain, Arrays.stream(values()).map(DType::torchName).toList()));
    }

    /**
     * The type that a file says weights have: {@code config.json}, or what a quantiser writes.
     *
     * @param where what says so, for the message
     * @param name as {@link #parse} takes it
     * @return a type with fractions
     * @throws UserErrorException for any other name or type
     */
    public static DType parseStored(String where, String name) {
        try {
            DType parsed = parse(name);
            if (parsed.isFloatingPoint()) {
                return parsed;
            }
        } catch (UserErrorException e) {
            throw new UserErrorException(where + ": " + e.getMessage(), e);
        }
        throw new UserErrorException(where + ": '" + name + "' cannot hold weights: expected " + MODEL_NAMES);
    }

    /**
     * The type that a user wants a model held or calculated in: float32, bfloat16 or float16.
     *
     * @param where the key or option, for the message
     * @param name as {@link #parse} takes it, or {@code auto}
     * @return the type; empty for {@code auto}, which leaves it open
     * @throws UserErrorException for any other name or type
     */
    public static Optional<DType> parseChoice(String where, String name) {
        return name.equalsIgnoreCase("auto")
                ? Optional.empty()
                : Optional.of(parseStored(where, name).requireForModels(where));
    }

    /**
     * Checks that a model can be held and calculated in this type.
     *
     * @param where what asks for it, for the message
     * @return this type
     * @throws UserErrorException when it is none of float32, bfloat16 and float16
     */
    public DType requireForModels(String where) {
        if (this != FLOAT32 && this != BFLOAT16 && this != FLOAT16) {
            throw new UserErrorException(
                    where + ": " + this + " cannot hold a model's weights: expected " + MODEL_NAMES);
        }
        return this;
    }

    @Override
    public String toString() {
        return torchName;
    }
}
