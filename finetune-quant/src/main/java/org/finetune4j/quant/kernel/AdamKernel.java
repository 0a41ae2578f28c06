package org.finetune4j.quant.kernel;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.Tensor;

/** One AdamW step on moments in 8 bits: block by block they become numbers, are updated, used, and rounded again. */
public final class AdamKernel {

    /** Values that share a scale. */
    public static final int BLOCK_SIZE = 256;

    /** A view of a tensor's memory costs as much as a block's update. */
    private static final int BLOCKS_AT_A_TIME = 256;

    private AdamKernel() {}

    /**
     * What stays the same from step to step.
     *
     * @param beta1 decay of the first moment, from 0 to below 1
     * @param beta2 decay of the second moment, from 0 to below 1
     * @param epsilon added to the root of the second moment
     */
    public record Settings(float beta1, float beta2, float epsilon) {}

    /**
     * Updates a parameter and its moments in place.
     *
     * @param value float32, contiguous, on the CPU
     * @param gradient float32, contiguous
     * @param first codes of the first moment, of {@link CodeBook#DYNAMIC_SIGNED}
     * @param second codes of the second moment, of {@link CodeBook#DYNAMIC_UNSIGNED}
     * @param firstAbsmax float32, one a block
     * @param secondAbsmax float32, one a block
     * @param settings what stays the same in all steps
     * @param step number of this step, from 1
     * @param learningRate of this step
     * @param weightDecay share of the value that is taken off, times the learning rate
     */
    public static void step(
            Tensor value,
            Tensor gradient,
            Tensor first,
            Tensor second,
            Tensor firstAbsmax,
            Tensor secondAbsmax,
            Settings settings,
            long step,
            double learningRate,
            double weightDecay) {
        long count = value.numel();
        long blocks = (count + BLOCK_SIZE - 1) / BLOCK_SIZE;
        Update update = Update.of(settings, step, learningRate, weightDecay);
        FloatBuffer scales1 = firstAbsmax.memory(0, blocks * Float.BYTES).asFloatBuffer();
        FloatBuffer scales2 = secondAbsmax.memory(0, blocks * Float.BYTES).asFloatBuffer();
        Parallel.run(blocks, 64, (begin, end) -> {
            Block block = new Block(update);
            for (long part = begin; part < end; part += BLOCKS_AT_A_TIME) {
                long at = part * BLOCK_SIZE;
                int length =
                        (int) Math.min((long) BLOCKS_AT_A_TIME * BLOCK_SIZE, Math.min(end * BLOCK_SIZE, count) - at);
                ByteBuffer codes1 = first.memory(at, length);
                ByteBuffer codes2 = second.memory(at, length);
                FloatBuffer values = floats(value, at, length);
                FloatBuffer gradients = floats(gradient, at, length);
                for (int i = 0; i < length; i += BLOCK_SIZE) {
                    int size = Math.min(BLOCK_SIZE, length - i);
                    int b = (int) part + i / BLOCK_SIZE;
                    gradients.get(i, block.gradients, 0, size);
                    values.get(i, block.values, 0, size);
                    block.load(codes1, codes2, i, scales1.get(b), scales2.get(b), size);
                    block.update(size);
                    values.put(i, block.values, 0, size);
                    scales1.put(b, block.store(CodeBook.DYNAMIC_SIGNED, block.first, codes1, i, size));
                    scales2.put(b, block.store(CodeBook.DYNAMIC_UNSIGNED, block.second, codes2, i, size));
                }
            }
        });
    }

    private static FloatBuffer floats(Tensor tensor, long at, int length) {
        return tensor.memory(at * Float.BYTES, (long) length * Float.BYTES).asFloatBuffer();
    }

    /**
     * The numbers of one step: {@code value = value * decay - stepSize * first / (sqrt(second) / correction2 + epsilon)}.
     *
     * @param settings what stays the same in all steps
     * @param stepSize the learning rate with the correction of the first moment
     * @param correction2 the root of the correction of the second moment
     * @param decay what the value is multiplied by before the step
     */
    public record Update(Settings settings, float stepSize, float correction2, float decay) {

        /**
         * {@return the numbers of a step}
         *
         * @param settings what stays the same in all steps
         * @param step number of the step, from 1
         * @param learningRate of this step
         * @param weightDecay share of the value that is taken off, times the learning rate
         */
        public static Update of(Settings settings, long step, double learningRate, double weightDecay) {
            double correction1 = 1 - Math.pow(settings.beta1, (double) step);
            double correction2 = Math.sqrt(1 - Math.pow(settings.beta2, (double) step));
            return new Update(settings, (float) (learningRate / correction1), (float) correction2, (float)
                    (1 - learningRate * weightDecay));
        }
    }

    /** What a thread needs for a block. */
    private static final class Block {

        private final Update update;
        private final float[] signed = CodeBook.DYNAMIC_SIGNED.values();
        private final float[] unsigned = CodeBook.DYNAMIC_UNSIGNED.values();
        private final float[] values = new float[BLOCK_SIZE];
        private final float[] gradients = new float[BLOCK_SIZE];
        private final float[] first = new float[BLOCK_SIZE];
        private final float[] second = new float[BLOCK_SIZE];
        private final byte[] bytes = new byte[BLOCK_SIZE];

        Block(Update update) {
            this.update = update;
        }

        void load(ByteBuffer codes1, ByteBuffer codes2, int at, float scale1, float scale2, int size) {
            codes1.get(at, bytes, 0, size);
            for (int i = 0; i < size; i++) {
                first[i] = signed[bytes[i] & 0xff] * scale1;
            }
            codes2.get(at, bytes, 0, size);
            for (int i = 0; i < size; i++) {
                second[i] = unsigned[bytes[i] & 0xff] * scale2;
            }
        }

        void update(int size) {
            float beta1 = update.settings.beta1;
            float beta2 = update.settings.beta2;
            for (int i = 0; i < size; i++) {
                float g = gradients[i];
                first[i] = beta1 * first[i] + (1 - beta1) * g;
                second[i] = beta2 * second[i] + (1 - beta2) * g * g;
                float divisor = (float) Math.sqrt(second[i]) / update.correction2 + update.settings.epsilon;
                values[i] = values[i] * update.decay - update.stepSize * first[i] / divisor;
            }
        }

        float store(CodeBook book, float[] moments, ByteBuffer codes, int at, int size) {
            float largest = Magnitudes.largest(moments, size);
            book.nearest(moments, largest, bytes, size);
            codes.put(at, bytes, 0, size);
            return largest;
        }
    }
}
