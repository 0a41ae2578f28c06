package org.finetune4j.quant.bitsandbytes;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.quant.EightBitWeight;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** How bitsandbytes stores a {@code Linear8bitLt}: codes, {@code SCB} beside them, and the order of the codes. */
final class EightBitTensors {

    private static final String WEIGHT = "weight";

    private EightBitTensors() {}

    /** What a checkpoint holds of a weight. */
    static Map<String, Tensor> of(EightBitWeight weight, String name) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put(name, weight.codes());
        tensors.put(sibling(name, "SCB"), weight.absmax());
        tensors.put(
                sibling(name, "weight_format"), Tensors.of(new byte[] {0}, 1).view());
        return tensors;
    }

    /** The {@code quantization_config} of a model with such weights, as transformers writes it. */
    static Map<String, Object> configuration() {
        Map<String, Object> configuration = new LinkedHashMap<>();
        configuration.put("load_in_4bit", false);
        configuration.put("load_in_8bit", true);
        configuration.put("llm_int8_threshold", 6.0);
        configuration.put("quant_method", "bitsandbytes");
        return configuration;
    }

    static Set<String> partsOf(CheckpointReader reader, String name) {
        if (!reader.contains(sibling(name, "SCB"))) {
            return Set.of();
        }
        Set<String> parts = new LinkedHashSet<>(Set.of(name, sibling(name, "SCB")));
        String format = sibling(name, "weight_format");
        if (reader.contains(format)) {
            parts.add(format);
        }
        return parts;
    }

    static EightBitWeight read(CheckpointReader reader, String name, long[] shape, DType dtype, Device device) {
        Tensor codes = reader.tensor(name);
        Tensor absmax = reader.tensor(sibling(name, "SCB"));
        String format = sibling(name, "weight_format");
        boolean rowMajor = !reader.contains(format) || isZero(reader.tensor(format));
        if (codes.dtype() != DType.INT8
                || !Arrays.equals(codes.shape(), shape)
                || !Arrays.equals(absmax.shape(), new long[] {shape[0]})
                || !rowMajor) {
            throw new UserErrorException(
                    reader.directory() + ": tensor '" + name + "': expected int8 codes of the shape "
                            + Arrays.toString(shape) + " in rows and as many scales as rows");
        }
        return new EightBitWeight(
                codes.to(device).copy(), absmax.to(DType.FLOAT32).to(device).copy(), dtype);
    }

    private static boolean isZero(Tensor number) {
        return number.numel() == 1 && number.item() == 0;
    }

    private static String sibling(String name, String part) {
        return name.substring(0, name.length() - WEIGHT.length()) + part;
    }
}
