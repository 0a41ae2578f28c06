package org.finetune4j.tensor;

import java.util.Arrays;
import java.util.function.BiConsumer;
import java.util.function.BinaryOperator;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.jspecify.annotations.Nullable;

/**
 * An n-dimensional array in native memory, with the semantics of PyTorch's tensor of the same operations: views share
 * memory, methods ending in {@code InPlace} change this tensor, everything else returns a new one.
 *
 * <p>A tensor belongs to the innermost open {@link TensorScope} of the thread that makes it and is freed with it, or by
 * {@link #close()}. Any use after that is an {@link IllegalStateException}. Shapes and dtypes that do not fit are a
 * {@link TensorException} that names every operand. Instances are not thread-safe.
 */
public final class Tensor extends NativeArray {

    private Tensor(org.bytedeco.pytorch.Tensor handle) {
        super(handle);
        TensorScope innermost = TensorScope.innermost();
        if (innermost != null) {
            innermost.add(this);
        }
    }

    static Tensor wrap(org.bytedeco.pytorch.Tensor handle) {
        return new Tensor(handle);
    }

    /** Takes this tensor out of its scope: it lives until {@link #close()}. */
    public Tensor unscoped() {
        detachFromScope();
        return this;
    }

    /** Whether both are views of the very same native tensor. */
    public boolean isSame(Tensor other) {
        return handle().is_same(other.handle());
    }

    // ---- autograd ----

    public boolean requiresGrad() {
        return handle().requires_grad();
    }

    /** Marks a leaf as (not) wanting a gradient. Returns this. */
    public Tensor requiresGrad(boolean requiresGrad) {
        handle().set_requires_grad(requiresGrad);
        return this;
    }

    /** The accumulated gradient, sharing memory with the real one, or null where there is none. */
    public @Nullable Tensor grad() {
        org.bytedeco.pytorch.Tensor gradient = handle().mutable_grad();
        return gradient.defined() ? wrap(gradient.detach()) : null;
    }

    /** Drops the accumulated gradient and its memory. */
    public void clearGrad() {
        org.bytedeco.pytorch.Tensor gradient = handle().mutable_grad();
        if (gradient.defined()) {
            gradient.reset();
        }
    }

    /** The same memory, cut off from the graph. */
    public Tensor detach() {
        return wrap(handle().detach());
    }

    // ---- shape ----

    /** The same elements in another shape; copies only when a view cannot do it. One length may be -1. */
    public Tensor reshape(long... newShape) {
        return unary("reshape" + Arrays.toString(newShape), x -> x.reshape(newShape));
    }

    /** A view in another shape. */
    public Tensor view(long... newShape) {
        return unary("view" + Arrays.toString(newShape), x -> x.view(newShape));
    }

    /** The bytes seen as another dtype. */
    public Tensor viewAs(DType dtype) {
        return unary("viewAs " + dtype, x -> x.view(dtype.scalarType()));
    }

    public Tensor transpose(int dimension0, int dimension1) {
        return unary("transpose", x -> x.transpose(dimension0, dimension1));
    }

    /** The transpose of a matrix, as a view. */
    public Tensor t() {
        return unary("t", org.bytedeco.pytorch.Tensor::t);
    }

    public Tensor permute(long... dimensions) {
        return unary("permute" + Arrays.toString(dimensions), x -> x.permute(dimensions));
    }

    public Tensor unsqueeze(int dimension) {
        return unary("unsqueeze", x -> x.unsqueeze(dimension));
    }

    public Tensor squeeze(int dimension) {
        return unary("squeeze", x -> x.squeeze(dimension));
    }

    /** A view that repeats dimensions of length 1; -1 leaves a dimension as it is. */
    public Tensor expand(long... newShape) {
        return unary("expand" + Arrays.toString(newShape), x -> x.expand(newShape));
    }

    /** The view {@code [start, start + length)} of one dimension. */
    public Tensor narrow(int dimension, long start, long length) {
        return unary("narrow " + dimension + ":" + start + "+" + length, x -> x.narrow(dimension, start, length));
    }

    /** Element {@code index} of one dimension, which disappears. */
    public Tensor select(int dimension, long index) {
        return unary("select " + dimension + ":" + index, x -> x.select(dimension, index));
    }

    public Tensor contiguous() {
        return unary("contiguous", org.bytedeco.pytorch.Tensor::contiguous);
    }

    /** Elements move along a dimension and re-enter at its start. */
    public Tensor roll(long shift, int dimension) {
        return unary("roll", x -> x.roll(new long[] {shift}, dimension));
    }

    /** Each element of a dimension {@code times} times in a row. */
    public Tensor repeatInterleave(long times, int dimension) {
        return unary("repeatInterleave", x -> {
            try (LongOptional along = new LongOptional(dimension);
                    LongOptional size = new LongOptional()) {
                return x.repeat_interleave(times, along, size);
            }
        });
    }

    // ---- dtype, device, copies ----

    /** This tensor when it already has the dtype, else a converted copy (round to nearest even). */
    public Tensor to(DType dtype) {
        return dtype() == dtype ? this : unary("to " + dtype, x -> x.to(dtype.scalarType()));
    }

    /** This tensor when it is already there, else a copy on {@code device}. */
    public Tensor to(Device device) {
        if (device().equals(device)) {
            return this;
        }
        return unary("to " + device, x -> {
            try (org.bytedeco.pytorch.Device target = device.nativeDevice()) {
                return x.to(target, x.scalar_type());
            }
        });
    }

    /** A copy with its own memory. */
    public Tensor copy() {
        return unary("copy", org.bytedeco.pytorch.Tensor::clone);
    }

    /** Copies {@code source}'s values into this tensor, converting and broadcasting. Returns this. */
    public Tensor copyInPlace(Tensor source) {
        return inPlace("copyInPlace", source, (x, y) -> x.copy_(y));
    }

    // ---- arithmetic ----

    public Tensor add(Tensor other) {
        return binary("add", other, (x, y) -> x.add(y));
    }

    public Tensor add(double value) {
        return scalar("add", value, (x, s) -> x.add(s));
    }

    public Tensor sub(Tensor other) {
        return binary("sub", other, (x, y) -> x.sub(y));
    }

    public Tensor mul(Tensor other) {
        return binary("mul", other, (x, y) -> x.mul(y));
    }

    public Tensor mul(double value) {
        return scalar("mul", value, (x, s) -> x.mul(s));
    }

    public Tensor div(Tensor other) {
        return binary("div", other, (x, y) -> x.div(y));
    }

    public Tensor div(double value) {
        return scalar("div", value, (x, s) -> x.div(s));
    }

    /** {@code this + scale * other}. */
    public Tensor addScaled(Tensor other, double scale) {
        return binary("addScaled", other, (x, y) -> {
            try (Scalar alpha = new Scalar(scale)) {
                return x.add(y, alpha);
            }
        });
    }

    public Tensor addInPlace(Tensor other) {
        return inPlace("addInPlace", other, (x, y) -> x.add_(y));
    }

    /** {@code this += scale * other}. */
    public Tensor addScaledInPlace(Tensor other, double scale) {
        return inPlace("addScaledInPlace", other, (x, y) -> {
            try (Scalar alpha = new Scalar(scale)) {
                x.add_(y, alpha);
            }
        });
    }

    public Tensor subInPlace(Tensor other) {
        return inPlace("subInPlace", other, (x, y) -> x.sub_(y));
    }

    public Tensor mulInPlace(Tensor other) {
        return inPlace("mulInPlace", other, (x, y) -> x.mul_(y));
    }

    public Tensor mulInPlace(double value) {
        return scalarInPlace("mulInPlace", value, (x, s) -> x.mul_(s));
    }

    public Tensor addInPlace(double value) {
        return scalarInPlace("addInPlace", value, (x, s) -> x.add_(s));
    }

    public Tensor zeroInPlace() {
        return inPlace("zeroInPlace", this, (x, y) -> x.zero_());
    }

    public Tensor fillInPlace(double value) {
        return scalarInPlace("fillInPlace", value, (x, s) -> x.fill_(s));
    }

    /** Sets {@code value} where the boolean mask holds. */
    public Tensor maskedFillInPlace(Tensor mask, double value) {
        return inPlace("maskedFillInPlace", mask, (x, m) -> {
            try (Scalar s = new Scalar(value)) {
                x.masked_fill_(m, s);
            }
        });
    }

    /**
     * Fills this tensor with numbers from the {@link RandomGenerator} in use.
     *
     * @param from the least
     * @param to above the largest
     * @return this
     */
    public Tensor uniformInPlace(double from, double to) {
        return inPlace("uniformInPlace", this, (x, y) -> x.uniform_(from, to, RandomGenerator.on(device())));
    }

    /**
     * Fills this tensor with normal numbers from the {@link RandomGenerator} in use.
     *
     * @param mean their mean
     * @param standardDeviation how far they lie from it
     * @return this
     */
    public Tensor normalInPlace(double mean, double standardDeviation) {
        return inPlace(
                "normalInPlace", this, (x, y) -> x.normal_(mean, standardDeviation, RandomGenerator.on(device())));
    }

    /** Fills this tensor with 1 with the given probability and 0 else, from the {@link RandomGenerator} in use. */
    Tensor bernoulliInPlace(double probability) {
        return inPlace("bernoulliInPlace", this, (x, y) -> x.bernoulli_(probability, RandomGenerator.on(device())));
    }

    public Tensor neg() {
        return unary("neg", org.bytedeco.pytorch.Tensor::neg);
    }

    public Tensor exp() {
        return unary("exp", org.bytedeco.pytorch.Tensor::exp);
    }

    public Tensor expInPlace() {
        return inPlace("expInPlace", this, (x, y) -> x.exp_());
    }

    public Tensor log() {
        return unary("log", org.bytedeco.pytorch.Tensor::log);
    }

    public Tensor abs() {
        return unary("abs", org.bytedeco.pytorch.Tensor::abs);
    }

    /** -1, 0 or 1. */
    public Tensor sign() {
        return unary("sign", org.bytedeco.pytorch.Tensor::sign);
    }

    public Tensor sqrt() {
        return unary("sqrt", org.bytedeco.pytorch.Tensor::sqrt);
    }

    public Tensor rsqrt() {
        return unary("rsqrt", org.bytedeco.pytorch.Tensor::rsqrt);
    }

    public Tensor square() {
        return unary("square", org.bytedeco.pytorch.Tensor::square);
    }

    public Tensor tanh() {
        return unary("tanh", org.bytedeco.pytorch.Tensor::tanh);
    }

    public Tensor sigmoid() {
        return unary("sigmoid", org.bytedeco.pytorch.Tensor::sigmoid);
    }

    public Tensor cos() {
        return unary("cos", org.bytedeco.pytorch.Tensor::cos);
    }

    public Tensor sin() {
        return unary("sin", org.bytedeco.pytorch.Tensor::sin);
    }

    // ---- comparison ----

    public Tensor eq(double value) {
        return scalar("eq", value, (x, s) -> x.eq(s));
    }

    public Tensor eq(Tensor other) {
        return binary("eq", other, (x, y) -> x.eq(y));
    }

    public Tensor lessThan(Tensor other) {
        return binary("lessThan", other, (x, y) -> x.lt(y));
    }

    public Tensor lessThan(double value) {
        return scalar("lessThan", value, (x, s) -> x.lt(s));
    }

    public Tensor lessOrEqual(Tensor other) {
        return binary("lessOrEqual", other, (x, y) -> x.le(y));
    }

    public Tensor greaterThan(double value) {
        return scalar("greaterThan", value, (x, s) -> x.gt(s));
    }

    public Tensor logicalAnd(Tensor other) {
        return binary("logicalAnd", other, (x, y) -> x.logical_and(y));
    }

    public Tensor logicalOr(Tensor other) {
        return binary("logicalOr", other, (x, y) -> x.logical_or(y));
    }

    public Tensor logicalNot() {
        return unary("logicalNot", org.bytedeco.pytorch.Tensor::logical_not);
    }

    // ---- products ----

    public Tensor matmul(Tensor other) {
        return binary("matmul", other, (x, y) -> x.matmul(y));
    }

    /** Product of two matrices. */
    public Tensor mm(Tensor other) {
        return binary("mm", other, (x, y) -> x.mm(y));
    }

    /** {@code this += scale * left x right}, all matrices. */
    public Tensor addMatrixProductInPlace(Tensor left, Tensor right, double scale) {
        try (Scalar beta = new Scalar(1.0);
                Scalar alpha = new Scalar(scale)) {
            handle().addmm_(left.handle(), right.handle(), beta, alpha);
            return this;
        } catch (RuntimeException e) {
            throw TensorException.of("addMatrixProductInPlace", e, this, left, right);
        }
    }

    // ---- reductions ----

    public Tensor sum() {
        return unary("sum", x -> x.sum());
    }

    public Tensor sum(int dimension, boolean keepDimension) {
        return unary("sum", x -> {
            try (ScalarTypeOptional same = new ScalarTypeOptional()) {
                return x.sum(new long[] {dimension}, keepDimension, same);
            }
        });
    }

    public Tensor mean() {
        return unary("mean", x -> x.mean());
    }

    public Tensor mean(int dimension, boolean keepDimension) {
        return unary("mean", x -> {
            try (ScalarTypeOptional same = new ScalarTypeOptional()) {
                return x.mean(new long[] {dimension}, keepDimension, same);
            }
        });
    }

    public Tensor max() {
        return unary("max", x -> x.max());
    }

    public Tensor argmax(int dimension) {
        return unary("argmax", x -> {
            try (LongOptional along = new LongOptional(dimension)) {
                return x.argmax(along, false);
            }
        });
    }

    /** Euclidean norm of all elements. */
    public Tensor norm() {
        return unary("norm", x -> x.norm());
    }

    public Tensor logSumExp(int dimension) {
        return unary("logSumExp", x -> x.logsumexp(new long[] {dimension}, false));
    }

    public Tensor softmax(int dimension) {
        return unary("softmax", x -> x.softmax(dimension));
    }

    public Tensor cumulativeSum(int dimension) {
        return unary("cumulativeSum", x -> x.cumsum(dimension));
    }

    /** Whether no element is NaN or infinite. */
    public boolean isFinite() {
        try (org.bytedeco.pytorch.Tensor finite = handle().isfinite();
                org.bytedeco.pytorch.Tensor all = finite.all()) {
            return all.item_bool();
        }
    }

    /** Whether the other tensor has this one's shape and, element by element, its values; the types may differ. */
    public boolean hasValuesOf(Tensor other) {
        try (org.bytedeco.pytorch.Tensor same = other.handle().to(handle().scalar_type())) {
            return Arrays.equals(shape(), other.shape()) && handle().equal(same);
        }
    }

    // ---- indexing ----

    /** Rows (or other slices) of one dimension by an int64 vector of positions. */
    public Tensor indexSelect(int dimension, Tensor index) {
        return binary("indexSelect", index, (x, i) -> x.index_select(dimension, i));
    }

    /** {@code result[i][j] = this[i][index[i][j]]} for dimension 1, and likewise for others. */
    public Tensor gather(int dimension, Tensor index) {
        return binary("gather", index, (x, i) -> x.gather(dimension, i));
    }

    /** Adds {@code source}'s slices to this tensor's slices at {@code index}. */
    public Tensor indexAddInPlace(int dimension, Tensor index, Tensor source) {
        try {
            handle().index_add_(dimension, index.handle(), source.handle());
            return this;
        } catch (RuntimeException e) {
            throw TensorException.of("indexAddInPlace", e, this, index, source);
        }
    }

    /** Adds {@code source}'s elements to this tensor's elements at {@code index}, as {@code torch.scatter_add_}. */
    public Tensor scatterAddInPlace(int dimension, Tensor index, Tensor source) {
        try {
            handle().scatter_add_(dimension, index.handle(), source.handle());
            return this;
        } catch (RuntimeException e) {
            throw TensorException.of("scatterAddInPlace", e, this, index, source);
        }
    }

    // ---- plumbing ----

    @FunctionalInterface
    private interface ScalarOperation {
        org.bytedeco.pytorch.Tensor apply(org.bytedeco.pytorch.Tensor tensor, Scalar scalar);
    }

    private Tensor unary(String name, UnaryOperator<org.bytedeco.pytorch.Tensor> operation) {
        try {
            return wrap(operation.apply(handle()));
        } catch (RuntimeException e) {
            throw TensorException.of(name, e, this);
        }
    }

    private Tensor binary(String name, Tensor other, BinaryOperator<org.bytedeco.pytorch.Tensor> operation) {
        try {
            return wrap(operation.apply(handle(), other.handle()));
        } catch (RuntimeException e) {
            throw TensorException.of(name, e, this, other);
        }
    }

    private Tensor scalar(String name, double value, ScalarOperation operation) {
        try (Scalar scalar = scalarOf(value)) {
            return wrap(operation.apply(handle(), scalar));
        } catch (RuntimeException e) {
            throw TensorException.of(name + " " + value, e, this);
        }
    }

    private Tensor inPlace(
            String name, Tensor other, BiConsumer<org.bytedeco.pytorch.Tensor, org.bytedeco.pytorch.Tensor> operation) {
        try {
            operation.accept(handle(), other.handle());
            return this;
        } catch (RuntimeException e) {
            throw TensorException.of(name, e, this, other);
        }
    }

    private Tensor scalarInPlace(String name, double value, ScalarOperation operation) {
        try (Scalar scalar = scalarOf(value)) {
            operation.apply(handle(), scalar);
            return this;
        } catch (RuntimeException e) {
            throw TensorException.of(name + " " + value, e, this);
        }
    }

    /** A whole number stays one, so that integer tensors keep their dtype. */
    private Scalar scalarOf(double value) {
        return dtype().isFloatingPoint() || value != Math.rint(value) ? new Scalar(value) : new Scalar((long) value);
    }
}
