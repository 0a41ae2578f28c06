package org.finetune4j.quant.bitsandbytes;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Collectors;
import org.finetune4j.Json;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.tensor.DType;

/**
 * The JSON beside a 4-bit weight, which bitsandbytes stores as a tensor of its bytes.
 *
 * @param nested whether the scales are quantised
 * @param offset what is added to quantised scales
 */
record QuantState(
        QuantizationType type,
        int blockSize,
        DType dtype,
        long[] shape,
        boolean nested,
        int nestedBlockSize,
        float offset) {

    /** Reads it; {@code where} says in messages whose it is. */
    static QuantState parse(byte[] text, String where) {
        JsonNode json = Json.parse(text, where);
        JsonNode lengths = json.path("shape");
        long[] shape = new long[lengths.size()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = lengths.get(i).asLong();
        }
        boolean nested = json.hasNonNull("nested_blocksize");
        return new QuantState(
                QuantizationType.named(json.path("quant_type").asText(), where + ": 'quant_type'"),
                json.path("blocksize").asInt(),
                DType.parseStored(where + ": 'dtype'", json.path("dtype").asText()),
                shape,
                nested,
                json.path("nested_blocksize").asInt(),
                (float) json.path("nested_offset").asDouble());
    }

    /** Byte for byte what Python's {@code json.dumps} makes of it. */
    byte[] toBytes() {
        String lengths = Arrays.stream(shape).mapToObj(Long::toString).collect(Collectors.joining(", "));
        String text = "{\"quant_type\": \"" + type.label() + "\", \"blocksize\": " + blockSize + ", \"dtype\": \""
                + dtype.torchName() + "\", \"shape\": [" + lengths + "]";
        if (nested) {
            text += ", \"nested_blocksize\": " + nestedBlockSize
                    + ", \"nested_dtype\": \"float32\", \"nested_offset\": " + pythonNumber(offset);
        }
        return (text + "}").getBytes(StandardCharsets.UTF_8);
    }

    /** The shortest decimal that reads back as the same double, in Python's spelling. */
    static String pythonNumber(double value) {
        BigDecimal shortest = new BigDecimal(value);
        for (int digits = 1; digits <= 17; digits++) {
            BigDecimal rounded = new BigDecimal(value).round(new MathContext(digits));
            if (rounded.doubleValue() == value) {
                shortest = rounded.stripTrailingZeros();
                break;
            }
        }
        double magnitude = Math.abs(value);
        if (magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
            int exponent = shortest.precision() - shortest.scale() - 1;
            String digits = shortest.movePointLeft(exponent).toPlainString();
            return digits + "e" + (exponent < 0 ? "-" : "+") + (Math.abs(exponent) < 10 ? "0" : "")
                    + Math.abs(exponent);
        }
        String plain = shortest.toPlainString();
        return plain.contains(".") ? plain : plain + ".0";
    }
}
