package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.nn.LowRankUpdate;
import org.finetune4j.nn.RowGroups;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * The matrices of several adapters of one layer side by side, so that two products serve all rows whatever adapters they use (as
 * S-LoRA and Punica do with kernels of their own): {@code output += where(own, x A^T, 0) B^T}, where a row's own columns are those of
 * its adapter. It costs arithmetic with columns that are thrown away, and saves four operations for every adapter.
 */
final class RowStack implements AutoCloseable {

    private final int[] adapters;
    private final int[] ranks;
    private final Tensor down; // [in, sum of ranks]
    private final Tensor up; // [sum of ranks, out], with the adapters' scales
    private final DType dtype;

    /** @param layers what the adapters of these numbers add, in their order */
    RowStack(int[] adapters, List<LowRankUpdate> layers, DType dtype) {
        this.adapters = adapters;
        this.ranks = layers.stream()
                .mapToInt(layer -> (int) layer.a().value().size(0))
                .toArray();
        this.dtype = dtype;
        try (TensorScope scope = TensorScope.open()) {
            List<Tensor> as = new ArrayList<>();
            List<Tensor> bs = new ArrayList<>();
            for (LowRankUpdate layer : layers) {
                as.add(layer.a().as(dtype)); // [rank, in]
                bs.add(layer.b().as(dtype).t().mul(layer.scale())); // [rank, out]
            }
            this.down = Tensors.cat(as, 0).t().unscoped();
            this.up = Tensors.cat(bs, 0).unscoped();
        }
    }

    boolean isOf(int[] others, DType type) {
        return dtype == type && Arrays.equals(adapters, others);
    }

    boolean has(int adapter) {
        return Arrays.binarySearch(adapters, adapter) >= 0;
    }

    /** How wide the columns of each adapter are: what a mask of columns is made for. */
    int[] ranks() {
        return ranks;
    }

    /** Which columns do not belong to the adapter of a row: bool [rows, sum of ranks], 1 where that is so. */
    static Tensor others(RowGroups groups, int rows, int[] adapters, int[] ranks) {
        int width = Arrays.stream(ranks).sum();
        byte[] mask = new byte[rows * width];
        Arrays.fill(mask, (byte) 1);
        for (RowGroups.Group group : groups.groups()) {
            int place = Arrays.binarySearch(adapters, group.adapter());
            if (place >= 0) {
                int from = Arrays.stream(ranks, 0, place).sum();
                for (int row : group.rows()) {
                    Arrays.fill(mask, row * width + from, row * width + from + ranks[place], (byte) 0);
                }
            }
        }
        return Tensors.of(mask, rows, width).to(DType.BOOL);
    }

    /** Adds to the base's output [rows, out] of {@code x} [rows, in]. */
    void addTo(Tensor output, Tensor x, Tensor others) {
        Tensor low = x.mm(down).maskedFillInPlace(others, 0); // [rows, sum of ranks]
        output.addMatrixProductInPlace(low, up, 1);
    }

    /** What the matrices take, in bytes. */
    long bytes() {
        return (down.numel() + up.numel()) * dtype.itemSize();
    }

    @Override
    public void close() {
        down.close();
        up.close();
    }
}
