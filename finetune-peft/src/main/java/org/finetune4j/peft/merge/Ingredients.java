package org.finetune4j.peft.merge;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * One tensor of several models, and of their base where there is one, read in slices: only a slice of each is ever copied
 * into the type that is calculated in, whatever the size of the tensor.
 */
final class Ingredients {

    /** Values of a slice. */
    static final long SLICE = 1 << 20;

    private final String name;
    private final @Nullable Tensor base;
    private final List<Tensor> models;
    private final DType exact;

    /**
     * @param base of the models' shape, or null
     * @param models all of one shape
     */
    Ingredients(String name, @Nullable Tensor base, List<Tensor> models) {
        this.name = name;
        this.base = base == null ? null : base.reshape(-1);
        this.models = models.stream().map(model -> model.reshape(-1)).toList();
        this.exact = models.get(0).dtype() == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
    }

    String name() {
        return name;
    }

    int count() {
        return models.size();
    }

    long numel() {
        return models.get(0).numel();
    }

    /** The first elements of the slices that a tensor is merged in. */
    LongStream slices() {
        return LongStream.iterate(0, begin -> begin < numel(), begin -> begin + SLICE);
    }

    /** Length of the slice that begins here. */
    long length(long begin) {
        return Math.min(SLICE, numel() - begin);
    }

    /** A slice of one model, in the type that is calculated in. */
    Tensor model(int model, long begin) {
        return models.get(model).narrow(0, begin, length(begin)).to(exact);
    }

    /** A slice of the base, in the type that is calculated in. */
    Tensor base(long begin) {
        if (base == null) {
            throw new IllegalStateException("there is no base");
        }
        return base.narrow(0, begin, length(begin)).to(exact);
    }

    /** A slice of what a model adds to the base. */
    Tensor taskVector(int model, long begin) {
        return model(model, begin).sub(base(begin));
    }

    /** The same slice of every task vector. */
    List<Tensor> taskVectors(long begin) {
        List<Tensor> vectors = new ArrayList<>();
        for (int model = 0; model < count(); model++) {
            vectors.add(taskVector(model, begin));
        }
        return vectors;
    }

    /** All slices of a task vector, one after the other; a slice is freed when the next one is made. */
    Stream<Tensor> wholeTaskVector(int model) {
        TensorScope[] open = new TensorScope[1];
        return slices().mapToObj(begin -> {
                    close(open);
                    open[0] = TensorScope.open();
                    return taskVector(model, begin);
                })
                .onClose(() -> close(open));
    }

    private static void close(@Nullable TensorScope[] open) {
        if (open[0] != null) {
            open[0].close();
            open[0] = null;
        }
    }
}
