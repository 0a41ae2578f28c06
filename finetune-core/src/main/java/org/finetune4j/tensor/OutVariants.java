package org.finetune4j.tensor;

import java.util.List;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * Operations that write where they are told, into memory that is there already. None of them is recorded: autograd must be
 * off. Destinations may be parts of larger tensors, and one of the operands where a method says so.
 */
public final class OutVariants {

    /** What sizes of matrices that come again are multiples of. */
    private static final int ROUND = 16;

    private OutVariants() {}

    /**
     * {@code destination = scale * left x right}, all matrices.
     *
     * @param destination [m, n]
     * @param left [m, k]
     * @param right [k, n]
     * @param scale factor of the product
     */
    public static void product(Tensor destination, Tensor left, Tensor right, double scale) {
        addProduct(destination, 0, left, right, scale);
    }

    /**
     * {@code destination = beta * destination + scale * left x right}, all matrices.
     *
     * @param destination [m, n]
     * @param beta factor of what is there; with 0 it is not read
     * @param left [m, k]
     * @param right [k, n]
     * @param scale factor of the product
     */
    public static void addProduct(Tensor destination, double beta, Tensor left, Tensor right, double scale) {
        // What had to be copied is gone at the end: nobody has to have a scope for it.
        try (TensorScope scope = TensorScope.open();
                Scalar ofDestination = new Scalar(beta);
                Scalar ofProduct = new Scalar(scale)) {
            Tensor sum = MatrixProducts.multipliable(destination);
            Tensor x = MatrixProducts.multipliable(left);
            Tensor y = MatrixProducts.multipliable(right);
            sum.handle().addmm_(x.handle(), y.handle(), ofDestination, ofProduct);
            if (sum != destination) {
                destination.copyInPlace(sum);
            }
        } catch (RuntimeException e) {
            throw TensorException.of("addProduct", e, destination, left, right);
        }
    }

    /**
     * {@code destination = beta * destination + scale * left x right}, matrix by matrix.
     *
     * @param destination [count, m, n]
     * @param beta factor of what is there; with 0 it is not read
     * @param left [count, m, k]
     * @param right [count, k, n]
     * @param scale factor of the products
     */
    public static void addProducts(Tensor destination, double beta, Tensor left, Tensor right, double scale) {
        try (Scalar ofDestination = new Scalar(beta);
                Scalar ofProduct = new Scalar(scale)) {
            MatrixProducts.ofSmallOnes(
                    comesAgain(left) && comesAgain(right),
                    () -> destination.handle().baddbmm_(left.handle(), right.handle(), ofDestination, ofProduct));
        } catch (RuntimeException e) {
            throw TensorException.of("addProducts", e, destination, left, right);
        }
    }

    /** Whether both sizes of the matrices are round: those of whole blocks of attention are, what is left over of a sequence mostly not. */
    private static boolean comesAgain(Tensor matrices) {
        return matrices.size(-1) % ROUND == 0 && matrices.size(-2) % ROUND == 0;
    }

    /**
     * {@code destination = bias + left x right}.
     *
     * @param destination [m, n]
     * @param bias [n]
     * @param left [m, k]
     * @param right [k, n]
     */
    public static void biasedProduct(Tensor destination, Tensor bias, Tensor left, Tensor right) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor x = MatrixProducts.multipliable(left);
            Tensor y = MatrixProducts.multipliable(right);
            Tensor sum = MatrixProducts.multipliable(destination);
            torch.addmm_out(sum.handle(), bias.handle(), x.handle(), y.handle());
            if (sum != destination) {
                destination.copyInPlace(sum);
            }
        } catch (RuntimeException e) {
            throw TensorException.of("biasedProduct", e, destination, bias, left, right);
        }
    }

    /**
     * {@code destination = a * b}, element by element.
     *
     * @param destination of the shape that both broadcast to; may be one of them
     * @param a factor
     * @param b factor
     */
    public static void mul(Tensor destination, Tensor a, Tensor b) {
        try {
            torch.mul_out(destination.handle(), a.handle(), b.handle());
        } catch (RuntimeException e) {
            throw TensorException.of("mul", e, destination, a, b);
        }
    }

    /**
     * {@code destination += scale * a * b}, element by element.
     *
     * @param destination of the shape that both broadcast to
     * @param a factor
     * @param b factor
     * @param scale factor of their product
     */
    public static void addMul(Tensor destination, Tensor a, Tensor b, double scale) {
        try (Scalar value = new Scalar(scale)) {
            destination.handle().addcmul_(a.handle(), b.handle(), value);
        } catch (RuntimeException e) {
            throw TensorException.of("addMul", e, destination, a, b);
        }
    }

    /**
     * {@code destination = x * sigmoid(x)}.
     *
     * @param destination of x's shape; may be x
     * @param x any
     */
    public static void silu(Tensor destination, Tensor x) {
        try {
            torch.silu_out(destination.handle(), x.handle());
        } catch (RuntimeException e) {
            throw TensorException.of("silu", e, destination, x);
        }
    }

    /**
     * The derivative of {@link #silu} times what arrived.
     *
     * @param destination of x's shape; may be x or the gradient
     * @param gradient d(loss)/d(silu(x))
     * @param x what silu was applied to
     */
    public static void siluBackward(Tensor destination, Tensor gradient, Tensor x) {
        try {
            torch.silu_backward_out(destination.handle(), gradient.handle(), x.handle());
        } catch (RuntimeException e) {
            throw TensorException.of("siluBackward", e, destination, gradient, x);
        }
    }

    /**
     * Sums along one dimension.
     *
     * @param destination of x's shape without that dimension, or with length 1 there
     * @param x what is summed
     * @param dimension which one
     * @param keepDimension whether it stays, with length 1
     */
    public static void sum(Tensor destination, Tensor x, int dimension, boolean keepDimension) {
        try (ScalarTypeOptional same = new ScalarTypeOptional()) {
            torch.sum_out(destination.handle(), x.handle(), new long[] {dimension}, keepDimension, same);
        } catch (RuntimeException e) {
            throw TensorException.of("sum", e, destination, x);
        }
    }

    /**
     * Exponentials divided by their sum along the last dimension.
     *
     * @param x [..., size], replaced
     */
    public static void softmaxInPlace(Tensor x) {
        try {
            torch.softmax_out(x.handle(), x.handle(), -1);
        } catch (RuntimeException e) {
            throw TensorException.of("softmaxInPlace", e, x);
        }
    }

    /**
     * The derivative of {@link #softmaxInPlace} times what arrived. The binding does not map the operator, so it is called through the
     * dispatcher.
     *
     * @param gradient d(loss)/d(output), [..., size], float32; replaced by d(loss)/d(input)
     * @param output what softmax gave
     */
    public static void softmaxBackwardInPlace(Tensor gradient, Tensor output) {
        try (IValueVector stack = new IValueVector();
                IValue arrived = new IValue(gradient.handle());
                IValue given = new IValue(output.handle());
                IValue dimension = new IValue(-1L);
                IValue type = new IValue((long) torch.ScalarType.Float.value)) {
            for (IValue argument : List.of(arrived, given, dimension, type, arrived)) {
                stack.push_back(argument);
            }
            SoftmaxBackward.OPERATOR.callBoxed(stack);
        } catch (RuntimeException e) {
            throw TensorException.of("softmaxBackwardInPlace", e, gradient, output);
        }
    }

    private static final class SoftmaxBackward {
        private static final OperatorHandle OPERATOR =
                Dispatcher.singleton().findSchemaOrThrow("aten::_softmax_backward_data", "out");
    }

    /**
     * The Euclidean norms along the last dimension.
     *
     * @param destination x's shape with length 1 in the place of the last dimension
     * @param x [..., size]
     */
    public static void norms(Tensor destination, Tensor x) {
        try (Scalar order = new Scalar(2.0);
                ScalarTypeOptional same = new ScalarTypeOptional()) {
            torch.linalg_vector_norm_out(destination.handle(), x.handle(), order, new long[] {-1}, true, same);
        } catch (RuntimeException e) {
            throw TensorException.of("norms", e, destination, x);
        }
    }

    /**
     * {@code x = (x^2 / count + epsilon)^(-1/2)}: what vectors of these norms are divided by to have a mean square of 1.
     *
     * @param x norms, replaced
     * @param count of elements of a vector
     * @param epsilon added to the mean square
     */
    public static void normsToScales(Tensor x, long count, double epsilon) {
        try (Scalar share = new Scalar(1.0 / count);
                Scalar added = new Scalar(epsilon)) {
            x.handle().square_();
            x.handle().mul_(share);
            x.handle().add_(added);
            x.handle().rsqrt_();
        } catch (RuntimeException e) {
            throw TensorException.of("normsToScales", e, x);
        }
    }
}
