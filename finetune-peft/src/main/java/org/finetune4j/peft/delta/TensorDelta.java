package org.finetune4j.peft.delta;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.peft.merge.LowRankFactors;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** The names and shapes that the change of one tensor has in a delta file, whatever its form. */
final class TensorDelta {

    static final String DENSE = ".dense";
    static final String LOW_RANK_A = ".low_rank_a";
    static final String LOW_RANK_B = ".low_rank_b";
    static final String SPARSE_INDEX = ".sparse_index";
    static final String SPARSE_VALUE = ".sparse_value";

    private static final Set<String> ENDS = Set.of(DENSE, LOW_RANK_A, LOW_RANK_B, SPARSE_INDEX, SPARSE_VALUE);

    private TensorDelta() {}

    /** The tensor that a key of the file belongs to. */
    static String tensorOf(String key) {
        return ENDS.stream()
                .filter(key::endsWith)
                .findFirst()
                .map(end -> key.substring(0, key.length() - end.length()))
                .orElse(key);
    }

    /** A product b [rows, rank] a [rank, columns]. */
    static Map<String, Tensor> lowRank(String name, LowRankFactors factors) {
        return Map.of(name + LOW_RANK_A, factors.a(), name + LOW_RANK_B, factors.b());
    }

    /** The values above a threshold and their places in the flattened tensor (int64), in rising order. */
    static Map<String, Tensor> sparse(String name, Tensor change, double threshold) {
        List<Tensor> places = new ArrayList<>();
        List<Tensor> values = new ArrayList<>();
        long slice = 1 << 20;
        Tensor flat = change.reshape(-1);
        for (long begin = 0; begin < flat.numel(); begin += slice) {
            Tensor part = flat.narrow(0, begin, Math.min(slice, flat.numel() - begin));
            long[] kept = above(part, threshold, begin);
            if (kept.length > 0) {
                Tensor index = Tensors.of(kept, kept.length);
                places.add(index);
                values.add(flat.indexSelect(0, index));
            }
        }
        if (places.isEmpty()) {
            return Map.of();
        }
        return Map.of(name + SPARSE_INDEX, Tensors.cat(places, 0), name + SPARSE_VALUE, Tensors.cat(values, 0));
    }

    private static long[] above(Tensor part, double threshold, long begin) {
        double[] values = part.toDoubleArray();
        long[] kept = new long[values.length];
        int count = 0;
        for (int i = 0; i < values.length; i++) {
            if (Math.abs(values[i]) > threshold) {
                kept[count] = begin + i;
                count++;
            }
        }
        return Arrays.copyOf(kept, count);
    }

    /**
     * The change of a tensor of this shape, in the caller's scope.
     *
     * @throws UserErrorException when what the file holds does not fit
     */
    static Tensor read(SafetensorsFile file, String path, String name, long[] shape) {
        try (TensorScope scope = TensorScope.open()) {
            long numel = 1;
            for (long length : shape) {
                numel *= length;
            }
            Tensor change;
            if (file.contains(name + DENSE)) {
                change = file.tensor(name + DENSE).reshape(-1);
            } else if (file.contains(name + LOW_RANK_B)) {
                change = file.tensor(name + LOW_RANK_B)
                        .matmul(file.tensor(name + LOW_RANK_A))
                        .reshape(-1);
            } else {
                Tensor values = file.tensor(name + SPARSE_VALUE);
                change = Tensors.zeros(values.dtype(), Device.CPU, numel)
                        .indexAddInPlace(0, file.tensor(name + SPARSE_INDEX), values);
            }
            if (change.numel() != numel) {
                throw new UserErrorException(path + ": the change of '" + name + "' has " + change.numel()
                        + " values, the base's tensor has " + numel);
            }
            return scope.keep(change.reshape(shape));
        }
    }
}
