package org.finetune4j.peft.lora;

import org.finetune4j.UserErrorException;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdapterDType;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * A start of LoRA on a quantised base that makes up for the quantisation (Li et al. 2023, algorithm 1): in turn, the weight
 * less the product of the matrices is quantised, and the matrices become the largest singular vectors of what is missing.
 *
 * @param loraA [rank, in]
 * @param loraB [out, rank]
 * @param quantised what takes the place of the base's weight, or null when that stays: after one iteration
 */
record LoftQ(Tensor loraA, Tensor loraB, @Nullable CompressedWeight quantised) {

    private static final double FOUR_BITS_AT_MOST = 0.75;

    /**
     * Calculates the start of one layer.
     *
     * @param scale what the product of the matrices is multiplied by
     * @throws UserErrorException when the base is not quantised, or its exact weights are not known any more
     */
    static LoftQ of(Linear linear, int rank, double scale, LoftqConfig config, String path) {
        Parameter parameter = linear.weight();
        CompressedWeight base = parameter.compressed();
        if (base == null) {
            throw new UserErrorException("init_lora_weights loftq: " + path
                    + " is not quantised, expected load_in_4bit: true or another initialization");
        }
        int bits = base.bytes() < FOUR_BITS_AT_MOST * parameter.numel() ? 4 : 8;
        if (bits != config.bits()) {
            throw new UserErrorException(
                    "loftq_config: 'loftq_bits' is " + config.bits() + ", but " + path + " has " + bits + " bits");
        }
        long directions = Math.min(linear.inFeatures(), linear.outFeatures());
        if (rank > directions) {
            throw new UserErrorException("init_lora_weights loftq: rank " + rank + " is more than the " + directions
                    + " that " + path + " has");
        }
        try (TensorScope scope = TensorScope.open()) {
            DType exact = AdapterDType.of(base.dtype());
            Tensor weight = parameter
                    .uncompressed()
                    .orElseThrow(() -> new UserErrorException("init_lora_weights loftq: " + path
                            + " was stored quantised, its exact weight is not known: load a plain checkpoint with"
                            + " load_in_4bit"))
                    .to(exact);
            boolean transposed = linear.layout() == Linear.Layout.IN_OUT;
            CompressedWeight quantised = base;
            Tensor missing = weight.sub(base.decompress(exact)); // in the base's layout
            LoftQ start = decompose(transposed ? missing.t() : missing, rank, scale);
            for (int i = 1; i < config.iterations(); i++) {
                Tensor product = start.loraB.matmul(start.loraA).mul(scale); // [out, in]
                CompressedWeight next = base.recompress(weight.sub(transposed ? product.t() : product));
                if (quantised != base) {
                    quantised.close();
                }
                quantised = next;
                missing = weight.sub(next.decompress(exact));
                start = decompose(transposed ? missing.t() : missing, rank, scale);
            }
            return new LoftQ(scope.keep(start.loraA), scope.keep(start.loraB), quantised == base ? null : quantised);
        }
    }

    /** The best product of this rank: each matrix gets the root of the singular values. */
    private static LoftQ decompose(Tensor matrix, int rank, double scale) {
        LinearAlgebra.Svd svd = LinearAlgebra.svd(matrix);
        Tensor roots = svd.s().narrow(0, 0, rank).div(scale).sqrt(); // [rank]
        return new LoftQ(
                svd.vh().narrow(0, 0, rank).mul(roots.unsqueeze(1)),
                svd.u().narrow(1, 0, rank).mul(roots),
                null);
    }
}
