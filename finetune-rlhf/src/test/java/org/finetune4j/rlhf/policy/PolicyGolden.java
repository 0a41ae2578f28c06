package org.finetune4j.rlhf.policy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import org.finetune4j.InputFiles;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;

/** Recorded numbers of the policy methods: padded in the file, an array an answer here. */
final class PolicyGolden implements AutoCloseable {

    static final double LOSS = 1e-5;
    static final double GRADIENT = 1e-6;

    private static final Path ROOT = Path.of("src/test/resources/goldens/pref");

    private final SafetensorsFile file;

    PolicyGolden(String name) {
        file = SafetensorsFile.open(ROOT.resolve(name).resolve("golden.safetensors"));
    }

    static JsonNode settings(String name) {
        return InputFiles.json(ROOT.resolve("policy.json")).path(name);
    }

    double[] values(String name) {
        try (TensorScope scope = TensorScope.open()) {
            return file.tensor(name).to(DType.FLOAT64).toDoubleArray();
        }
    }

    double value(String name) {
        return values(name)[0];
    }

    /** The rows of a matrix, each cut to its length. */
    double[][] rows(String name, int[] lengths) {
        double[] all = values(name);
        int width = all.length / lengths.length;
        double[][] rows = new double[lengths.length][];
        for (int row = 0; row < lengths.length; row++) {
            rows[row] = Arrays.copyOfRange(all, row * width, row * width + lengths[row]);
        }
        return rows;
    }

    int width(String name, int rows) {
        return values(name).length / rows;
    }

    /** Compares rows with a matrix of the file, in which padding is 0; above 1 the limit is relative, as float32's rounding is. */
    void assertRows(String name, double[][] actual, double tolerance) {
        double[] expected = values(name);
        int width = expected.length / actual.length;
        for (int row = 0; row < actual.length; row++) {
            for (int column = 0; column < width; column++) {
                double own = column < actual[row].length ? actual[row][column] : 0;
                double wanted = expected[row * width + column];
                assertEquals(wanted, own, tolerance * Math.max(1, Math.abs(wanted)), name + " " + row + ", " + column);
            }
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
