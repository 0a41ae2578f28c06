package org.finetune4j.tensor;

import java.util.Arrays;
import java.util.Locale;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** Element types of a {@link Tensor}, with the names that safetensors and Hugging Face configurations give them. */
public enum DType {
    FLOAT32("float32", "F32", 4, ScalarType.Float),
    FLOAT64("float64", "F64", 8, ScalarType.Double),
    FLOAT16("float16", "F16", 2, ScalarType.Half),
    BFLOAT16("bfloat16", "BF16", 2, ScalarType.BFloat16),
    INT64("int64", "I64", 8, ScalarType.Long),
    INT32("int32", "I32", 4, ScalarType.Int),
    INT16("int16", "I16", 2, ScalarType.Short),
    INT8("int8", "I8", 1, ScalarType.Char),
    UINT8("uint8", "U8", 1, ScalarType.Byte),
    BOOL("bool", "BOOL", 1, ScalarType.Bool);

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

    /** The name in PyTorch and in {@code config.json}: {@code float32}, {@code bfloat16} and so on. */
    public String torchName() {
        return torchName;
    }

    /** The name in a safetensors header: {@code F32}, {@code BF16} and so on. */
    public String safetensorsName() {
        return safetensorsName;
    }

    /** Bytes of one element. */
    public int itemSize() {
        return itemSize;
    }

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
     * @throws UserErrorException for any other name, with the nearest valid one
     */
    public static DType parse(String name) {
        String plain = name.toLowerCase(Locale.ROOT).replaceFirst("^torch\\.", "");
        switch (plain) {
            case "fp32", "f32", "float":
                return FLOAT32;
            case "fp16", "f16", "half":
                return FLOAT16;
            case "bf16":
                return BFLOAT16;
            default:
                break;
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

    @Override
    public String toString() {
        return torchName;
    }
}
