package org.finetune4j.quant.kernel;

import java.util.Optional;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;

/**
 * The kernels of a device that is not the CPU. Each is the twin of a Java kernel and gives the same bits. All tensors of a
 * call are contiguous and on that device; work is queued behind what the calling thread queued before.
 */
public interface DeviceKernels {

    /**
     * The kernels for tensors on a device: none for the CPU, whose kernels are in Java, and none for a device whose kernels
     * are switched off or that nobody registered kernels for.
     *
     * @param device where the tensors are
     * @return the kernels, or nothing
     * @throws org.finetune4j.UserErrorException when they should be there but cannot run; the message says what is missing
     */
    static Optional<DeviceKernels> of(Device device) {
        if (device.type() == Device.Type.CPU) {
            return Optional.empty();
        }
        for (DeviceKernelsProvider provider : RegisteredKernels.PROVIDERS) {
            Optional<DeviceKernels> kernels = provider.kernels(device);
            if (kernels.isPresent()) {
                return kernels;
            }
        }
        return Optional.empty();
    }

    /**
     * Rounds blocks to codes, as {@link BlockQuantizer} does.
     *
     * @param values float32, float16 or bfloat16
     * @param book numbers of the codes: 16 where two share a byte, else 256
     * @param blockSize values that share a scale
     * @param packed whether two codes share a byte, the first one in the upper half; blocks are even then
     * @param codes uint8, filled: one byte a value, or one for two
     * @param absmax float32, filled: one number a block
     * @throws org.finetune4j.UserErrorException when a value is NaN or infinite
     */
    void quantize(Tensor values, CodeBook book, int blockSize, boolean packed, Tensor codes, Tensor absmax);

    /**
     * Dequantises packed 4-bit codes.
     *
     * @param packed uint8, two codes a byte
     * @param absmax float32, one number a block
     * @param book numbers of the 16 codes
     * @param blockSize a power of two, 8 or more
     * @param destination float32, float16 or bfloat16; all its values are set
     */
    void dequantizeFourBit(Tensor packed, Tensor absmax, CodeBook book, int blockSize, Tensor destination);

    /**
     * The same where the scales are in 8 bits themselves: {@code absmax = signed map[code] * nestedAbsmax + offset}.
     *
     * @param packed uint8, two codes a byte
     * @param scaleCodes uint8, one a block
     * @param nestedAbsmax float32, one number for 256 blocks
     * @param offset the mean of the scales
     * @param book numbers of the 16 codes
     * @param blockSize a power of two, 8 or more
     * @param destination float32, float16 or bfloat16; all its values are set
     */
    void dequantizeFourBit(
            Tensor packed,
            Tensor scaleCodes,
            Tensor nestedAbsmax,
            float offset,
            CodeBook book,
            int blockSize,
            Tensor destination);

    /**
     * Dequantises blocks of 8-bit codes, as {@link EightBitKernels#dequantize} does, to float32, float16 or bfloat16.
     *
     * @param codes uint8, one a value
     * @param absmax float32, one number a block
     * @param book numbers of the 256 codes
     * @param blockSize values that share a scale
     * @param destination all its values are set
     */
    void dequantizeEightBit(Tensor codes, Tensor absmax, CodeBook book, int blockSize, Tensor destination);

    /**
     * Rounds rows to 8-bit integers, as {@link EightBitKernels#quantizeRows} does.
     *
     * @param matrix [rows, columns]
     * @param codes int8 [rows, columns], filled
     * @param absmax float32 [rows], filled
     */
    void quantizeRows(Tensor matrix, Tensor codes, Tensor absmax);

    /**
     * {@code destination = codes * (absmax / 127)}, row by row, to float32, float16 or bfloat16.
     *
     * @param codes int8 [rows, columns]
     * @param absmax float32 [rows]
     * @param destination [rows, columns]; all its values are set
     */
    void dequantizeRows(Tensor codes, Tensor absmax, Tensor destination);

    /**
     * One AdamW step on moments in 8 bits, as {@link AdamKernel#step} does, in place.
     *
     * @param value float32
     * @param gradient float32
     * @param first codes of the first moment, of {@link CodeBook#DYNAMIC_SIGNED}
     * @param second codes of the second moment, of {@link CodeBook#DYNAMIC_UNSIGNED}
     * @param firstAbsmax float32, one a block
     * @param secondAbsmax float32, one a block
     * @param update the numbers of this step
     */
    void adamStep(
            Tensor value,
            Tensor gradient,
            Tensor first,
            Tensor second,
            Tensor firstAbsmax,
            Tensor secondAbsmax,
            AdamKernel.Update update);
}
