package org.finetune4j.peft.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.LinearAlgebra.Svd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * The principal components of what a layer is given, learned from one batch after another (Ross et al. 2008, as
 * scikit-learn's {@code IncrementalPCA}): only as many directions as are wanted are kept, never the rows.
 */
final class InputComponents implements AutoCloseable {

    private final int count;
    private final List<Tensor> waiting = new ArrayList<>();
    private long waitingRows;
    private long rows;
    private double squaredDeviations;
    private @Nullable Tensor mean; // [in]
    private @Nullable Tensor values; // [count]
    private @Nullable Tensor directions; // [count, in]
    private double[] cosines = {};

    /** @param count how many directions are wanted */
    InputComponents(int count) {
        this.count = count;
    }

    /** Adds rows [rows, in]; they count as soon as there are at least as many as directions are wanted. */
    void add(Tensor newRows) {
        waiting.add(newRows.to(DType.FLOAT32).copy().unscoped());
        waitingRows += newRows.size(0);
        if (waitingRows < count) {
            return;
        }
        try (TensorScope scope = TensorScope.open()) {
            fit(Tensors.cat(waiting, 0));
        }
        clearWaiting();
    }

    private void fit(Tensor x) {
        long n = x.size(0);
        long total = rows + n;
        Tensor mean = x.mean(0, false); // [in]
        Tensor centred = x.sub(mean);
        double deviations = centred.square().sum().to(DType.FLOAT64).item();
        Tensor stacked = centred;
        Tensor oldMean = this.mean;
        Tensor oldDirections = directions;
        if (oldMean != null && oldDirections != null) {
            Tensor shift = oldMean.sub(mean);
            double between = (double) rows * n / total;
            deviations += squaredDeviations
                    + between * shift.square().sum().to(DType.FLOAT64).item();
            Tensor known = oldDirections.mul(Objects.requireNonNull(values).unsqueeze(1)); // [count, in]
            stacked = Tensors.cat(
                    List.of(known, centred, shift.mul(Math.sqrt(between)).unsqueeze(0)), 0);
            mean = mean.addScaled(shift, (double) rows / total);
        }
        Svd svd = LinearAlgebra.svd(stacked);
        long kept = Math.min(count, svd.s().numel());
        replace(mean, svd.s().narrow(0, 0, kept), svd.vh().narrow(0, 0, kept));
        rows = total;
        squaredDeviations = deviations;
    }

    private void replace(Tensor newMean, Tensor newValues, Tensor newDirections) {
        Tensor old = directions;
        if (old != null) {
            cosines = newDirections.mul(old).sum(1, false).abs().toDoubleArray();
            close(old);
            close(Objects.requireNonNull(mean));
            close(Objects.requireNonNull(values));
        }
        mean = newMean.copy().unscoped();
        values = newValues.copy().unscoped();
        directions = newDirections.copy().unscoped();
    }

    private static void close(Tensor tensor) {
        tensor.close();
    }

    /** Whether enough rows came to know any direction. */
    boolean isKnown() {
        return directions != null;
    }

    /** Whether the first directions did not turn any more with the last rows. */
    boolean hasSettled(int first, double tau) {
        if (cosines.length < first) {
            return false;
        }
        for (int i = 0; i < first; i++) {
            if (cosines[i] < tau) {
                return false;
            }
        }
        return true;
    }

    /** The share of the inputs' variance along each direction, the largest first. */
    double[] explainedVariance() {
        double[] singular = Objects.requireNonNull(values).toDoubleArray();
        double[] shares = new double[singular.length];
        for (int i = 0; i < shares.length; i++) {
            shares[i] = squaredDeviations == 0 ? 0 : singular[i] * singular[i] / squaredDeviations;
        }
        return shares;
    }

    /** The first directions [rank, in], of length 1 or whitened. */
    Tensor directions(int rank, boolean whiten) {
        Tensor first = Objects.requireNonNull(directions).narrow(0, 0, rank);
        if (!whiten) {
            return first;
        }
        return first.div(
                Objects.requireNonNull(values).narrow(0, 0, rank).sqrt().unsqueeze(1));
    }

    private void clearWaiting() {
        waiting.forEach(Tensor::close);
        waiting.clear();
        waitingRows = 0;
    }

    @Override
    public void close() {
        clearWaiting();
        if (directions != null) {
            directions.close();
            Objects.requireNonNull(mean).close();
            Objects.requireNonNull(values).close();
            directions = null;
        }
    }
}
