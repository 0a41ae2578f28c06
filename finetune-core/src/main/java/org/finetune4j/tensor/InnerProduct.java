package org.finetune4j.tensor;

import org.bytedeco.pytorch.Argument;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.GenericList;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;
import org.bytedeco.pytorch.Type;
import org.jspecify.annotations.Nullable;

/**
 * oneDNN's product of rows with a weight, asked for by its own operator: libtorch's product asks MKL where rows are few, which reads
 * a weight at a quarter of the memory's speed on processors of other makers, and at half of that from two rows on. The operator
 * calculates in float32 whatever precision is allowed, and is not mapped by the binding, so it is called through the dispatcher.
 *
 * <p>A row's product does not depend on how many others there are from two rows on; one row by itself may be summed in another order.
 */
public final class InnerProduct {

    /** With more rows a weight in its own order is multiplied as fast by others. */
    private static final int MOST_ROWS = 16;

    private InnerProduct() {}

    /** The operator with those of its arguments that are always the same. */
    private static final class Operator {
        private static final OperatorHandle MULTIPLY =
                Dispatcher.singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "");
        private static final IValue NONE = new IValue();
        private static final IValue NO_FUNCTION = new IValue("none");
        private static final IValue NO_NUMBERS = noNumbers();

        private static IValue noNumbers() {
            Argument arguments = MULTIPLY.schema().arguments();
            Type.TypePtr list = new Argument(arguments.position(4)).type(); // a list of optional numbers
            return new IValue(new GenericList(list.get().containedType(0)));
        }
    }

    /**
     * Whether {@link #of} is the fastest way to multiply on this machine with a weight that lies in its own order.
     *
     * @param rows how many there are
     * @return whether it is
     */
    public static boolean isFaster(long rows) {
        return rows <= MOST_ROWS && MatrixProducts.isOneDnnBetter();
    }

    /**
     * {@code x W^T}, outside of any backward pass.
     *
     * @param x [rows, in] float32 on the CPU, in any strides
     * @param weight [out, in] float32, contiguous
     * @return [rows, out]
     */
    public static Tensor of(Tensor x, Tensor weight) {
        return call(x, weight, null);
    }

    /** {@code x W^T + b} with a weight in whatever order oneDNN knows it to have. */
    static Tensor call(Tensor x, Tensor weight, @Nullable Tensor bias) {
        try (IValueVector stack = new IValueVector();
                IValue rows = new IValue(x.contiguous().handle());
                IValue factor = new IValue(weight.handle());
                IValue summand = bias == null ? null : new IValue(bias.handle())) {
            stack.push_back(rows);
            stack.push_back(factor);
            stack.push_back(summand == null ? Operator.NONE : summand);
            stack.push_back(Operator.NO_FUNCTION);
            stack.push_back(Operator.NO_NUMBERS);
            stack.push_back(Operator.NONE);
            Operator.MULTIPLY.callBoxed(stack);
            return result(stack);
        } catch (RuntimeException e) {
            throw TensorException.of("product of few rows with a weight", e, x);
        }
    }

    /** What a called operator has left. */
    static Tensor result(IValueVector stack) {
        try (IValue result = stack.get(0)) {
            // A handle of its own: what the stack gives is gone with it.
            return Tensor.wrap(new org.bytedeco.pytorch.Tensor(result.toTensor()));
        }
    }
}
