package org.finetune4j.quant;

import java.nio.FloatBuffer;
import java.util.List;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.quant.kernel.BlockQuantizer;
import org.finetune4j.quant.kernel.EightBitKernels;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** The largest magnitude of every block of a 4-bit weight. */
public sealed interface Scales extends AutoCloseable {

    /** Blocks of scales that share a scale in their turn. */
    int NESTED_BLOCK_SIZE = 256;

    /** {@return the scales, float32 [blocks]; what had to be made for it belongs to the scope} */
    Tensor absmax();

    /** {@return memory in bytes} */
    long bytes();

    /** {@return what they are stored in, which belongs to them} */
    List<Tensor> storage();

    /**
     * The same scales in another memory.
     *
     * @param storage what {@link #storage} gave, copied; taken over
     * @return the scales
     */
    Scales over(List<Tensor> storage);

    @Override
    void close();

    /**
     * As they are: float32 [blocks].
     *
     * @param absmax float32 [blocks], taken over
     */
    record Plain(Tensor absmax) implements Scales {

        /**
         * Takes the tensor over.
         *
         * @param absmax float32 [blocks], taken over
         */
        public Plain {
            absmax.unscoped();
        }

        @Override
        public List<Tensor> storage() {
            return List.of(absmax);
        }

        @Override
        public Plain over(List<Tensor> storage) {
            return new Plain(storage.get(0));
        }

        @Override
        public long bytes() {
            return absmax.numel() * Float.BYTES;
        }

        @Override
        public void close() {
            absmax.close();
        }
    }

    /**
     * Double quantisation: {@code absmax = map[code] * nestedAbsmax + offset}.
     *
     * @param codes uint8 [blocks]
     * @param nestedAbsmax float32 [blocks / 256]
     * @param offset the mean of the scales
     */
    record Nested(Tensor codes, Tensor nestedAbsmax, float offset) implements Scales {

        /**
         * Takes the tensors over.
         *
         * @param codes uint8 [blocks]
         * @param nestedAbsmax float32 [blocks / 256]
         * @param offset the mean of the scales
         */
        public Nested {
            codes.unscoped();
            nestedAbsmax.unscoped();
        }

        @Override
        public Tensor absmax() {
            Tensor restored = Tensors.zeros(DType.FLOAT32, Device.CPU, codes.numel());
            EightBitKernels.dequantize(
                    codes.to(Device.CPU),
                    nestedAbsmax.to(Device.CPU),
                    CodeBook.DYNAMIC_SIGNED,
                    NESTED_BLOCK_SIZE,
                    restored);
            return restored.addInPlace(offset);
        }

        /** The same scales on a device; these are closed when they are not there already. */
        Nested movedTo(Device device) {
            Nested moved = new Nested(codes.to(device), nestedAbsmax.to(device), offset);
            if (moved.codes != codes) {
                close();
            }
            return moved;
        }

        @Override
        public List<Tensor> storage() {
            return List.of(codes, nestedAbsmax);
        }

        @Override
        public Nested over(List<Tensor> storage) {
            return new Nested(storage.get(0), storage.get(1), offset);
        }

        @Override
        public long bytes() {
            return codes.numel() + nestedAbsmax.numel() * Float.BYTES;
        }

        @Override
        public void close() {
            codes.close();
            nestedAbsmax.close();
        }
    }

    /**
     * Quantises scales. Takes over nothing.
     *
     * @param absmax float32 [blocks]
     * @return the codes of the scales and what turns them back
     */
    static Nested nest(Tensor absmax) {
        try (TensorScope scope = TensorScope.open()) {
            float offset = (float) absmax.mean().item();
            Tensor centred = absmax.sub(Tensors.full(offset, DType.FLOAT32, Device.CPU, 1));
            long blocks = (centred.numel() + NESTED_BLOCK_SIZE - 1) / NESTED_BLOCK_SIZE;
            Tensor codes = Tensors.zeros(DType.UINT8, Device.CPU, centred.numel());
            Tensor nested = Tensors.zeros(DType.FLOAT32, Device.CPU, blocks);
            new BlockQuantizer(CodeBook.DYNAMIC_SIGNED, NESTED_BLOCK_SIZE, false).quantize(centred, codes, nested);
            return new Nested(codes, nested, offset);
        }
    }

    /**
     * {@return a view of CPU scales for kernels}
     *
     * @param absmax float32 on the CPU, contiguous; it must outlive the view
     */
    static FloatBuffer view(Tensor absmax) {
        return absmax.memory(0, absmax.numel() * Float.BYTES).asFloatBuffer();
    }
}
