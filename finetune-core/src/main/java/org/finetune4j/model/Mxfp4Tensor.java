package org.finetune4j.model;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * Weights of experts in MXFP4 (OCP Microscaling Formats 1.0): for a tensor {@code NAME} [experts, in, out] the checkpoint has {@code
 * NAME_blocks} [experts, out, in / 32, 16], two numbers of 4 bits (E2M1) a byte, the lower half first, and {@code NAME_scales} [experts,
 * out, in / 32], exponents of 2 plus 127 (E8M0), one for each 32 numbers. bfloat16 holds all such products exactly but for the largest.
 */
final class Mxfp4Tensor {

    private static final String METHOD = "mxfp4";
    private static final String BLOCKS = "_blocks";
    private static final String SCALES = "_scales";
    private static final int BYTES = 16;
    private static final int BIAS = 127;

    private static final float[] MAGNITUDES = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};

    private Mxfp4Tensor() {}

    /** Whether a configuration says that weights are packed so. */
    static boolean isNamedBy(ModelConfig config) {
        return config.node(ModelConfig.QUANTIZATION)
                .path("quant_method")
                .asText()
                .equals(METHOD);
    }

    /**
     * The configuration of what a checkpoint is when it is loaded: one that is packed becomes plain, in bfloat16 unless it says another
     * type.
     */
    static ModelConfig unpacked(ModelConfig config) {
        if (!isNamedBy(config)) {
            return config;
        }
        ModelConfig plain = config.withQuantization(Map.of());
        return plain.has("dtype") || plain.has("torch_dtype") ? plain : plain.withStorageDType(DType.BFLOAT16);
    }

    /** What the checkpoint has in place of a tensor. */
    static List<String> partsOf(String tensor) {
        return List.of(tensor + BLOCKS, tensor + SCALES);
    }

    /** The name of a part that every packed tensor has. */
    static String blocksOf(String tensor) {
        return tensor + BLOCKS;
    }

    /** The name of the tensor whose blocks these are. */
    static String tensorOf(String blocks) {
        return blocks.substring(0, blocks.length() - BLOCKS.length());
    }

    /**
     * The shape of the unpacked tensor, [experts, in, out].
     *
     * @throws UserErrorException when a part is missing, or of another type or shape
     */
    static long[] shape(CheckpointReader reader, String tensor) {
        long[] blocks = bytes(reader, tensor + BLOCKS);
        long[] scales = bytes(reader, tensor + SCALES);
        if (blocks.length != 4 || blocks[3] != BYTES || !Arrays.equals(Arrays.copyOf(blocks, 3), scales)) {
            throw new UserErrorException(reader.directory() + ": tensors '" + tensor + BLOCKS + "' "
                    + Arrays.toString(blocks) + " and '" + tensor + SCALES + "' " + Arrays.toString(scales)
                    + " are no MXFP4: expected [experts, out, in / 32, 16] and [experts, out, in / 32]");
        }
        return new long[] {blocks[0], 2 * BYTES * blocks[2], blocks[1]};
    }

    private static long[] bytes(CheckpointReader reader, String name) {
        if (reader.dtype(name) != DType.UINT8) {
            throw new UserErrorException(
                    reader.directory() + ": tensor '" + name + "' holds " + reader.dtype(name) + ", expected uint8");
        }
        return reader.shape(name);
    }

    /**
     * Unpacks one expert's weight.
     *
     * @param index of the expert
     * @return [in, out] in bfloat16, which belongs to the scope
     * @throws UserErrorException as {@link #shape}
     */
    static Tensor read(CheckpointReader reader, String tensor, int index) {
        long[] shape = shape(reader, tensor);
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor blocks = reader.tensor(tensor + BLOCKS).select(0, index).reshape(-1); // [out * in / 2]
            Tensor scales = reader.tensor(tensor + SCALES).select(0, index).reshape(-1); // [out * in / 32]
            Tensor numbers = pairs().indexSelect(0, blocks.to(DType.INT64)).view(-1, 2 * BYTES); // [out * in / 32, 32]
            Tensor factors = powers().indexSelect(0, scales.to(DType.INT64)).view(-1, 1); // [out * in / 32, 1]
            return scope.keep(numbers.mul(factors)
                    .to(DType.BFLOAT16)
                    .view(shape[2], shape[1]) // [out, in]
                    .t()
                    .contiguous());
        }
    }

    /** The two numbers of every byte: [256, 2]. */
    private static Tensor pairs() {
        float[] values = new float[512];
        for (int code = 0; code < 256; code++) {
            values[2 * code] = number(code & 15);
            values[2 * code + 1] = number(code >> 4);
        }
        return Tensors.of(values, 256, 2);
    }

    private static float number(int code) {
        return code < 8 ? MAGNITUDES[code] : -MAGNITUDES[code - 8];
    }

    /** The factor of every scale: [256]; that of 255 is not a number. */
    private static Tensor powers() {
        float[] values = new float[256];
        for (int scale = 0; scale < 255; scale++) {
            values[scale] = Math.scalb(1f, scale - BIAS);
        }
        values[255] = Float.NaN;
        return Tensors.of(values, 256);
    }
}
