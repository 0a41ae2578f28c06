package org.finetune4j.benchmarks;

import java.util.concurrent.TimeUnit;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.InnerProduct;
import org.finetune4j.tensor.PackedWeight;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Products of decoding, in the three ways that there are: which is the fastest depends on the processor's maker and on the
 * rows. None is faster than {@link #read}, which reads the weight once.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@SuppressWarnings("NullAway.Init")
public class FewRowsBenchmark {

    /** Outputs and inputs of the weight, as {@code OUTxIN}. */
    @Param({"576x576", "1536x576", "49152x576"})
    public String weight;

    /** Rows that are multiplied. */
    @Param({"1", "8"})
    public int rows;

    private TensorScope scope;
    private Tensor matrix;
    private Tensor x;
    private PackedWeight packed;

    /** Makes the weight, in its own order and packed. */
    @Setup
    public void open() {
        int times = weight.indexOf('x');
        long outputs = Long.parseLong(weight.substring(0, times));
        long inputs = Long.parseLong(weight.substring(times + 1));
        scope = TensorScope.open();
        matrix = Tensors.randn(DType.FLOAT32, Device.CPU, outputs, inputs);
        x = Tensors.randn(DType.FLOAT32, Device.CPU, rows, inputs);
        packed = PackedWeight.of(matrix);
    }

    /** Gives its memory back. */
    @TearDown
    public void close() {
        packed.close();
        scope.close();
    }

    /** The floor: the weight's numbers, added up. */
    @Benchmark
    public void read() {
        try (TensorScope inner = TensorScope.open()) {
            matrix.sum();
        }
    }

    /** libtorch's product, by the library that it asks for this processor. */
    @Benchmark
    public void matmul() {
        try (TensorScope inner = TensorScope.open()) {
            x.matmul(matrix.t());
        }
    }

    /** oneDNN's product with the weight as it lies. */
    @Benchmark
    public void innerProduct() {
        try (TensorScope inner = TensorScope.open()) {
            InnerProduct.of(x, matrix);
        }
    }

    /** oneDNN's product with the weight in the order that it likes best. */
    @Benchmark
    public void packedWeight() {
        try (TensorScope inner = TensorScope.open()) {
            packed.multiply(x, null);
        }
    }
}
