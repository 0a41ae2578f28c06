package org.finetune4j.tensor;

import java.util.function.BiConsumer;
import java.util.function.BinaryOperator;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Scalar;

/** How a {@link Tensor} calls libtorch: results are wrapped, and what libtorch refuses names the operation and its operands. */
abstract sealed class NativeCalls extends NativeArray permits ElementwiseOperations {

    NativeCalls(org.bytedeco.pytorch.Tensor handle) {
        super(handle);
    }

    /** There is no other kind of tensor. */
    final Tensor self() {
        return (Tensor) this;
    }

    @FunctionalInterface
    interface ScalarOperation {
        org.bytedeco.pytorch.Tensor apply(org.bytedeco.pytorch.Tensor tensor, Scalar scalar);
    }

    final Tensor unary(String name, UnaryOperator<org.bytedeco.pytorch.Tensor> operation) {
        return unary(() -> name, operation);
    }

    /**
     * An operation whose name tells its arguments: views are made thousands of times a step, and their names are read only when one
     * fails.
     */
    final Tensor unary(Supplier<String> name, UnaryOperator<org.bytedeco.pytorch.Tensor> operation) {
        try {
            return Tensor.wrap(operation.apply(handle()));
        } catch (RuntimeException e) {
            throw TensorException.of(name.get(), e, self());
        }
    }

    final Tensor binary(String name, Tensor other, BinaryOperator<org.bytedeco.pytorch.Tensor> operation) {
        try {
            return Tensor.wrap(operation.apply(handle(), other.handle()));
        } catch (RuntimeException e) {
            throw TensorException.of(name, e, self(), other);
        }
    }

    final Tensor scalar(String name, double value, ScalarOperation operation) {
        try (Scalar scalar = scalarOf(value)) {
            return Tensor.wrap(operation.apply(handle(), scalar));
        } catch (RuntimeException e) {
            throw TensorException.of(name + " " + value, e, self());
        }
    }

    final Tensor inPlace(
            String name, Tensor other, BiConsumer<org.bytedeco.pytorch.Tensor, org.bytedeco.pytorch.Tensor> operation) {
        try {
            operation.accept(handle(), other.handle());
            return self();
        } catch (RuntimeException e) {
            throw TensorException.of(name, e, self(), other);
        }
    }

    final Tensor scalarInPlace(String name, double value, ScalarOperation operation) {
        try (Scalar scalar = scalarOf(value)) {
            operation.apply(handle(), scalar);
            return self();
        } catch (RuntimeException e) {
            throw TensorException.of(name + " " + value, e, self());
        }
    }

    /** A whole number stays one, so that integer tensors keep their dtype. */
    final Scalar scalarOf(double value) {
        return dtype().isFloatingPoint() || value != Math.rint(value) ? new Scalar(value) : new Scalar((long) value);
    }
}
