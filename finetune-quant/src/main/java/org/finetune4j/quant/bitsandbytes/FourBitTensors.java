package org.finetune4j.quant.bitsandbytes;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.quant.FourBitWeight;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.quant.Scales;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** How bitsandbytes stores a {@code Linear4bit}: codes, scales, the tables they stand for, and a JSON with the rest. */
final class FourBitTensors {

    private static final String ABSMAX = ".absmax";
    private static final String MAP = ".quant_map";
    private static final String NESTED_ABSMAX = ".nested_absmax";
    private static final String NESTED_MAP = ".nested_quant_map";
    private static final String STATE = ".quant_state.bitsandbytes__";

    private FourBitTensors() {}

    /** What a checkpoint holds of a weight. */
    static Map<String, Tensor> of(FourBitWeight weight, String name) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put(name, weight.packed());
        boolean isNested = weight.scales() instanceof Scales.Nested;
        float offset = 0;
        if (weight.scales() instanceof Scales.Nested nested) {
            offset = nested.offset();
            tensors.put(name + ABSMAX, nested.codes());
            tensors.put(name + NESTED_ABSMAX, nested.nestedAbsmax());
            tensors.put(name + NESTED_MAP, Tensors.of(CodeBook.DYNAMIC_SIGNED.values(), 256));
        } else {
            tensors.put(name + ABSMAX, weight.scales().absmax());
        }
        tensors.put(name + MAP, Tensors.of(book(weight.type()).values(), 16));
        byte[] state = new QuantState(
                        weight.type(),
                        weight.blockSize(),
                        weight.dtype(),
                        weight.shape(),
                        isNested,
                        Scales.NESTED_BLOCK_SIZE,
                        offset)
                .toBytes();
        tensors.put(name + STATE + weight.type().label(), Tensors.of(state, state.length));
        return tensors;
    }

    /** The {@code quantization_config} of a model with such weights, as transformers writes it; one stands for all. */
    static Map<String, Object> configuration(FourBitWeight weight) {
        Map<String, Object> configuration = new LinkedHashMap<>();
        configuration.put("_load_in_4bit", true);
        configuration.put("_load_in_8bit", false);
        configuration.put("bnb_4bit_compute_dtype", weight.dtype().torchName());
        configuration.put("bnb_4bit_quant_storage", "uint8");
        configuration.put("bnb_4bit_quant_type", weight.type().label());
        configuration.put("bnb_4bit_use_double_quant", weight.scales() instanceof Scales.Nested);
        configuration.put("load_in_4bit", true);
        configuration.put("load_in_8bit", false);
        configuration.put("quant_method", "bitsandbytes");
        return configuration;
    }

    static Set<String> partsOf(CheckpointReader reader, String name) {
        Set<String> parts = new LinkedHashSet<>();
        for (QuantizationType type : List.of(QuantizationType.NF4, QuantizationType.FP4)) {
            if (reader.contains(name + STATE + type.label())) {
                parts.add(name);
                parts.add(name + STATE + type.label());
                for (String suffix : List.of(ABSMAX, MAP, NESTED_ABSMAX, NESTED_MAP)) {
                    if (reader.contains(name + suffix)) {
                        parts.add(name + suffix);
                    }
                }
            }
        }
        return parts;
    }

    static FourBitWeight read(CheckpointReader reader, String name, long[] shape, Device device) {
        String where = reader.directory() + ": tensor '" + name + "'";
        String stateName = partsOf(reader, name).stream()
                .filter(part -> part.contains(STATE))
                .findFirst()
                .orElseThrow();
        QuantState state = QuantState.parse(reader.tensor(stateName).toByteArray(), where);
        checkTable(reader, name + MAP, book(state.type()));
        Tensor packed = reader.tensor(name);
        long count = Arrays.stream(shape).reduce(1, Math::multiplyExact);
        long blocks = state.blockSize() < 2 ? -1 : (count + state.blockSize() - 1) / state.blockSize();
        Tensor absmax = reader.tensor(name + ABSMAX);
        if (!Arrays.equals(state.shape(), shape)
                || packed.dtype() != DType.UINT8
                || packed.numel() != (count + 1) / 2
                || absmax.numel() != blocks) {
            throw new UserErrorException(where + ": " + packed.numel() + " bytes and " + absmax.numel()
                    + " scales of a weight " + Arrays.toString(state.shape()) + ", but config.json asks for "
                    + Arrays.toString(shape));
        }
        Scales scales;
        if (state.nested()) {
            checkTable(reader, name + NESTED_MAP, CodeBook.DYNAMIC_SIGNED);
            if (state.nestedBlockSize() != Scales.NESTED_BLOCK_SIZE) {
                throw new UserErrorException(where + ": 'nested_blocksize' is " + state.nestedBlockSize()
                        + ", expected " + Scales.NESTED_BLOCK_SIZE);
            }
            Tensor nested = reader.tensor(name + NESTED_ABSMAX);
            scales = new Scales.Nested(
                    absmax.to(device).copy(), nested.to(device).copy(), state.offset());
        } else {
            scales = new Scales.Plain(absmax.to(device).copy());
        }
        return new FourBitWeight(
                state.type(),
                state.blockSize(),
                shape,
                state.dtype(),
                packed.to(device).copy(),
                scales);
    }

    /** Another table would give other numbers: better no model than a wrong one. */
    private static void checkTable(CheckpointReader reader, String name, CodeBook book) {
        float[] stored = reader.tensor(name).toFloatArray();
        float[] known = book.values();
        boolean same = stored.length == known.length;
        for (int i = 0; same && i < known.length; i++) {
            same = Math.abs(stored[i] - known[i]) <= 1e-6f;
        }
        if (!same) {
            throw new UserErrorException(
                    reader.directory() + ": '" + name + "' is not the table of this kind of quantisation");
        }
    }

    private static CodeBook book(QuantizationType type) {
        return type == QuantizationType.FP4 ? CodeBook.FP4 : CodeBook.NF4;
    }
}
