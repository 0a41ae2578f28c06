package org.finetune4j.model.safetensors;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * Refuses NaN and infinite values before they are written: a merge of broken weights, or a number that is too large for the
 * type it is stored in, would otherwise look like a model.
 */
public final class FiniteValues {

    private static final long SLICE = 1 << 22;

    private FiniteValues() {}

    /**
     * Entries that are looked at when their turn comes to be written; then nothing of the file stays.
     *
     * @param entries of a file
     * @return the same, each checked
     */
    public static List<Entry> checked(List<Entry> entries) {
        return entries.stream()
                .map(entry -> new Entry(
                        entry.name(),
                        entry.dtype(),
                        entry.shape(),
                        () -> require(entry.name(), entry.tensor().get())))
                .toList();
    }

    /**
     * Refuses values that are not finite.
     *
     * @param name of the tensor, for the message
     * @param tensor of any type
     * @return the tensor
     * @throws UserErrorException when a value is NaN or infinite
     */
    public static Tensor require(String name, Tensor tensor) {
        if (!areIn(tensor)) {
            throw new UserErrorException("tensor '" + name + "' has NaN or infinite values: nothing is written");
        }
        return tensor;
    }

    /**
     * Converts as {@link #convert} does and refuses what is not finite.
     *
     * @param name of the tensor, for the message
     * @return from a tensor and a type to the converted tensor
     */
    public static BiFunction<Tensor, DType, Tensor> narrowing(String name) {
        return (tensor, dtype) -> require(name, convert(name, tensor, dtype));
    }

    /**
     * Converts to a type that must be able to hold the values.
     *
     * @param name of the tensor, for the message
     * @param tensor in its own type
     * @param dtype the other type
     * @return the converted tensor
     * @throws UserErrorException when a value is NaN or infinite, or becomes so
     */
    public static Tensor convert(String name, Tensor tensor, DType dtype) {
        if (tensor.dtype() == dtype || !dtype.isFloatingPoint()) {
            return tensor.to(dtype);
        }
        return requireConverted(name, tensor.to(dtype), () -> tensor);
    }

    /**
     * Refuses values that are not finite, and says whether it is the type that cannot hold them.
     *
     * @param name of the tensor, for the message
     * @param converted in the type that it is to be stored in
     * @param before gives the values in the type that they had
     * @return {@code converted}
     * @throws UserErrorException when a value is NaN or infinite
     */
    public static Tensor requireConverted(String name, Tensor converted, Supplier<Tensor> before) {
        if (!areIn(converted)) {
            try (TensorScope scope = TensorScope.open()) {
                Tensor wide = before.get();
                if (areIn(wide)) {
                    throw new UserErrorException("tensor '" + name + "' has a number of magnitude "
                            + (float) wide.abs().max().to(DType.FLOAT64).item() + ", which "
                            + converted.dtype().torchName()
                            + " cannot hold: choose a type of more range, such as bfloat16"
                            + " (bf16) or float32 (f32)");
                }
            }
            require(name, converted);
        }
        return converted;
    }

    /** Whether all values are finite; looked at in slices, so that a large tensor needs no copy of its own size. */
    private static boolean areIn(Tensor tensor) {
        if (!tensor.dtype().isFloatingPoint()) {
            return true;
        }
        long rows = tensor.dim() == 0 ? 1 : tensor.size(0);
        if (tensor.numel() <= SLICE || rows < 2) {
            return tensor.isFinite();
        }
        long step = Math.max(1, SLICE * rows / tensor.numel());
        for (long row = 0; row < rows; row += step) {
            if (!tensor.narrow(0, row, Math.min(step, rows - row)).isFinite()) {
                return false;
            }
        }
        return true;
    }
}
