package org.finetune4j.rlhf.verify;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** A file of recorded tensors, which knows what nobody has asked for. */
final class RecordedTensors implements AutoCloseable {

    private final Path path;
    private final SafetensorsFile file;
    private final Set<String> used = new HashSet<>();

    RecordedTensors(Path path) {
        this.path = path;
        this.file = SafetensorsFile.open(path);
    }

    List<String> names() {
        return file.names().stream().sorted().toList();
    }

    boolean has(String name) {
        return file.contains(name);
    }

    /** The names that nothing was asked of so far. */
    List<String> unused() {
        return names().stream().filter(name -> !used.contains(name)).toList();
    }

    /** @throws UserErrorException when there is no such tensor */
    Tensor tensor(String name) {
        if (!has(name)) {
            throw new UserErrorException(path.getFileName() + " has no tensor '" + name + "'");
        }
        used.add(name);
        return file.tensor(name);
    }

    double[] values(String name) {
        try (TensorScope scope = TensorScope.open()) {
            return tensor(name).to(DType.FLOAT64).contiguous().toDoubleArray();
        }
    }

    /** A matrix, row by row. */
    double[][] rows(String name) {
        long[] shape = shape(name);
        if (shape.length != 2) {
            throw new UserErrorException(
                    "tensor '" + name + "' has the shape " + Arrays.toString(shape) + ", expected a matrix");
        }
        double[] all = values(name);
        int width = Math.toIntExact(shape[1]);
        double[][] rows = new double[Math.toIntExact(shape[0])][];
        Arrays.setAll(rows, row -> Arrays.copyOfRange(all, row * width, (row + 1) * width));
        return rows;
    }

    /** Rows without their padding. */
    static double[][] cut(String name, double[][] rows, int[] lengths) {
        double[][] cut = new double[lengths.length][];
        for (int row = 0; row < lengths.length; row++) {
            if (row >= rows.length || rows[row].length < lengths[row]) {
                throw new UserErrorException(
                        "'" + name + "' ends before the " + lengths[row] + " tokens of row " + row);
            }
            cut[row] = Arrays.copyOf(rows[row], lengths[row]);
        }
        return cut;
    }

    int[][] integers(String name) {
        return Arrays.stream(rows(name))
                .map(row -> Arrays.stream(row).mapToInt(value -> (int) value).toArray())
                .toArray(int[][]::new);
    }

    long[] shape(String name) {
        try (TensorScope scope = TensorScope.open()) {
            return tensor(name).shape();
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
