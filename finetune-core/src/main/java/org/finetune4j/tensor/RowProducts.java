package org.finetune4j.tensor;

import org.bytedeco.pytorch.Argument;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;
import org.bytedeco.pytorch.Type;

/**
 * Products of a weight with some rows, as decoding several texts makes them, by oneDNN: it multiplies the weight with the rows,
 * not the rows with the weight, and so reads the weight once in its order. The operator calculates in float32 whatever precision
 * is allowed, and is not mapped by the binding, so it is called through the dispatcher. Used where {@link MatrixProducts} finds
 * oneDNN better than MKL: there 16 rows took half to three quarters of the processor time.
 *
 * <p>oneDNN compiles a kernel for every shape and keeps it. Rows are filled up to a multiple of 8, so that there are few.
 */
public final class RowProducts {

    private static final int FEWEST_ROWS = 5;
    private static final int MOST_ROWS = 64;
    private static final int MULTIPLE = 8;

    /** A smaller weight is read before it is worth a detour. */
    private static final long SMALLEST_WEIGHT = 1 << 16;

    private RowProducts() {}

    /** The operator with those of its arguments that are always the same. */
    private static final class Operator {
        private static final OperatorHandle HANDLE =
                Dispatcher.singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "");
        private static final IValue NONE = new IValue();
        private static final IValue NO_FUNCTION = new IValue("none");
        private static final IValue NO_NUMBERS = noNumbers();

        private static IValue noNumbers() {
            Argument arguments = HANDLE.schema().arguments();
            Type.TypePtr list = new Argument(arguments.position(4)).type(); // a list of optional numbers
            return new IValue(new GenericList(list.get().containedType(0)));
        }
    }

    /**
     * Whether {@link #multiply} is the faster way.
     *
     * @param x [..., in]
     * @param weight [out, in]
     * @return whether to use it; never where a backward pass is recorded
     */
    public static boolean isFaster(Tensor x, Tensor weight) {
        long in = weight.size(1);
        long rows = x.numel() / Math.max(1, in);
        return rows >= FEWEST_ROWS
                && rows <= MOST_ROWS
                && weight.numel() >= SMALLEST_WEIGHT
                && !Autograd.isEnabled()
                && x.dtype() == DType.FLOAT32
                && weight.dtype() == DType.FLOAT32
                && x.device().equals(Device.CPU)
                && MatrixProducts.isOneDnnBetter();
    }

    /**
     * {@code x W^T}.
     *
     * @param x [rows, in]
     * @param weight [out, in]
     * @return [rows, out]
     */
    public static Tensor multiply(Tensor x, Tensor weight) {
        long rows = x.size(0);
        long filled = (rows + MULTIPLE - 1) / MULTIPLE * MULTIPLE;
        Tensor all = x;
        if (filled > rows) {
            all = Tensors.zeros(x.dtype(), x.device(), filled, x.size(1));
            all.narrow(0, 0, rows).copyInPlace(x);
        }
        Tensor product = call(weight, all.contiguous()); // [out, filled]
        return (filled > rows ? product.narrow(1, 0, rows) : product).t().contiguous(); // [rows, out]
    }

    /** {@code left right^T}. */
    private static Tensor call(Tensor left, Tensor right) {
        try (IValueVector stack = new IValueVector();
                IValue first = new IValue(left.handle());
                IValue second = new IValue(right.handle())) {
            stack.push_back(first);
            stack.push_back(second);
            stack.push_back(Operator.NONE);
            stack.push_back(Operator.NO_FUNCTION);
            stack.push_back(Operator.NO_NUMBERS);
            stack.push_back(Operator.NONE);
            Operator.HANDLE.callBoxed(stack);
            try (IValue result = stack.get(0)) {
                // A handle of its own: what the stack gives is gone with it.
                return Tensor.wrap(new org.bytedeco.pytorch.Tensor(result.toTensor()));
            }
        } catch (RuntimeException e) {
            throw TensorException.of("product of rows", e, left, right);
        }
    }
}
