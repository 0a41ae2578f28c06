package org.finetune4j.peft.merge;

import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.LinearAlgebra.Svd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * The best approximation of a matrix by a product of low rank (Eckart-Young), by SVD.
 *
 * @param a [rank, columns] with orthonormal rows
 * @param b [rows, rank]
 */
public record LowRankFactors(Tensor a, Tensor b) {

    /**
     * Compresses a matrix to at most {@code rank}.
     *
     * @param matrix [rows, columns] in float32
     * @param rank at least 1
     * @return the two factors
     */
    public static LowRankFactors ofRank(Tensor matrix, int rank) {
        if (rank < 1) {
            throw new UserErrorException("rank is " + rank + ", expected at least 1");
        }
        try (TensorScope scope = TensorScope.open()) {
            return cut(LinearAlgebra.svd(matrix), rank, scope);
        }
    }

    /**
     * Compresses a matrix to the smallest rank that keeps this share, in (0, 1], of its squared norm.
     *
     * @param matrix [rows, columns] in float32
     * @param energy above 0 and at most 1
     * @return the two factors
     */
    public static LowRankFactors ofEnergy(Tensor matrix, double energy) {
        if (!(energy > 0 && energy <= 1)) {
            throw new UserErrorException("energy is " + energy + ", expected a number above 0 and at most 1");
        }
        try (TensorScope scope = TensorScope.open()) {
            Svd svd = LinearAlgebra.svd(matrix);
            double[] values = svd.s().toDoubleArray();
            double total = 0;
            for (double value : values) {
                total += value * value;
            }
            int rank = 0;
            double kept = 0;
            while (rank < values.length && (rank == 0 || kept < energy * total)) {
                kept += values[rank] * values[rank];
                rank++;
            }
            return cut(svd, rank, scope);
        }
    }

    private static LowRankFactors cut(Svd svd, int rank, TensorScope scope) {
        long kept = Math.min(rank, svd.s().numel());
        Tensor b = svd.u().narrow(1, 0, kept).mul(svd.s().narrow(0, 0, kept)); // [rows, kept]
        Tensor a = svd.vh().narrow(0, 0, kept).contiguous(); // [kept, columns]
        return new LowRankFactors(scope.keep(a), scope.keep(b));
    }
}
