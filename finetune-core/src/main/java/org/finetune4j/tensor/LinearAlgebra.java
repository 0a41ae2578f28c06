package org.finetune4j.tensor;

import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.global.torch;

/** Decompositions of matrices in float32 or float64, as {@code torch.linalg} computes them. */
public final class LinearAlgebra {

    private LinearAlgebra() {}

    /**
     * A thin singular value decomposition, {@code matrix = u diag(s) vh}.
     *
     * @param u [rows, k] with k the smaller side of the matrix
     * @param s [k], the largest first
     * @param vh [k, columns]
     */
    public record Svd(Tensor u, Tensor s, Tensor vh) {}

    /** {@code matrix = q r}: q [rows, k] with orthonormal columns, r [k, columns] upper triangular. */
    public record Qr(Tensor q, Tensor r) {}

    /**
     * The thin singular value decomposition of a matrix [rows, columns]. Signs of pairs of vectors are arbitrary.
     *
     * @param matrix [rows, columns]
     * @return its three factors
     */
    public static Svd svd(Tensor matrix) {
        try (org.bytedeco.pytorch.StringViewOptional driver = new org.bytedeco.pytorch.StringViewOptional();
                T_TensorTensorTensor_T parts = torch.linalg_svd(matrix.handle(), false, driver)) {
            return new Svd(
                    Tensor.wrap(owned(parts.get0())),
                    Tensor.wrap(owned(parts.get1())),
                    Tensor.wrap(owned(parts.get2())));
        } catch (RuntimeException e) {
            throw TensorException.of("svd", e, matrix);
        }
    }

    /**
     * The reduced QR decomposition of a matrix [rows, columns].
     *
     * @param matrix [rows, columns]
     * @return its two factors
     */
    public static Qr qr(Tensor matrix) {
        try (T_TensorTensor_T parts = torch.linalg_qr(matrix.handle())) {
            return new Qr(Tensor.wrap(owned(parts.get0())), Tensor.wrap(owned(parts.get1())));
        } catch (RuntimeException e) {
            throw TensorException.of("qr", e, matrix);
        }
    }

    /**
     * The inverses of square matrices; autograd knows them.
     *
     * @param matrices [..., n, n]
     * @return [..., n, n]
     * @throws TensorException when one has none
     */
    public static Tensor inverse(Tensor matrices) {
        try {
            return Tensor.wrap(torch.linalg_inv(matrices.handle()));
        } catch (RuntimeException e) {
            throw TensorException.of("inverse", e, matrices);
        }
    }

    /**
     * The real part of the inverse Fourier transform in two dimensions, divided by their product; autograd knows it.
     *
     * @param spectrum [rows, columns], float32 or float64
     * @return [rows, columns]
     */
    public static Tensor realInverseFourier2(Tensor spectrum) {
        try (org.bytedeco.pytorch.Tensor complex = torch.fft_ifft2(spectrum.handle())) {
            return Tensor.wrap(torch.real(complex).contiguous());
        } catch (RuntimeException e) {
            throw TensorException.of("realInverseFourier2", e, spectrum);
        }
    }

    /** A handle of its own: what a tuple hands out is a view of the tuple's own member. */
    private static org.bytedeco.pytorch.Tensor owned(org.bytedeco.pytorch.Tensor member) {
        return member.detach();
    }
}
