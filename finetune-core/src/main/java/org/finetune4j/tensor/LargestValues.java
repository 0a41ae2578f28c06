package org.finetune4j.tensor;

import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.global.torch;

/** The largest values of a vector, as {@code torch.topk} finds them. */
public final class LargestValues {

    private LargestValues() {}

    /**
     * Finds the largest values of a vector.
     *
     * @param vector [length]
     * @param count how many, at most the length
     * @return their places, [count] int64, that of the largest first
     */
    public static Tensor indices(Tensor vector, long count) {
        try (T_TensorTensor_T parts = torch.topk(vector.handle(), count, -1, true, true)) {
            return Tensor.wrap(parts.get1().detach());
        } catch (RuntimeException e) {
            throw TensorException.of("topk", e, vector);
        }
    }
}
