package org.finetune4j.nn;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/**
 * What queries are multiplied by the later they stand: {@code 1 + beta log(1 + floor(position / context))}, which keeps attention sharp in long
 * sequences (Meta AI 2025, Llama 4). Within the first {@code context} positions it is 1.
 *
 * @param beta how much it grows
 * @param context positions that share a factor
 */
public record PositionScale(double beta, double context) {

    /**
     * The factors of a batch.
     *
     * @param positionIds [batch or 1, seq] int64
     * @param dtype of the factors
     * @return [batch or 1, seq, 1]
     */
    Tensor of(Tensor positionIds, DType dtype) {
        Tensor passed = positionIds.to(DType.FLOAT32).div(context).floor();
        return passed.add(1).log().mul(beta).add(1).unsqueeze(2).to(dtype); // [batch or 1, seq, 1]
    }
}
