package org.finetune4j.benchmarks;

import java.util.ArrayList;
import java.util.List;
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
 * rows. None is faster than {@link #read}, which reads the weight once. As in a model, each product is with another weight: they come
 * from memory, not from a cache.
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

    /** More numbers than caches hold. */
    private static final long NUMBERS = 80_000_000;

    private TensorScope scope;
    private Tensor x;
    private List<Tensor> matrices;
    private List<PackedWeight> packed;
    private int next;

    /** Makes the weights, in their own order and packed. */
    @Setup
    public void open() {
        int times = weight.indexOf('x');
        long outputs = Long.parseLong(weight.substring(0, times));
        long inputs = Long.parseLong(weight.substring(times + 1));
        scope = TensorScope.open();
        x = Tensors.randn(DType.FLOAT32, Device.CPU, rows, inputs);
        matrices = new ArrayList<>();
        packed = new ArrayList<>();
        for (long numbers = 0; numbers < NUMBERS; numbers += outputs * inputs) {
            Tensor matrix = Tensors.randn(DType.FLOAT32, Device.CPU, outputs, inputs);
            matrices.add(matrix);
            packed.add(PackedWeight.of(matrix));
        }
        next = 0;
    }

    /** Gives its memory back. */
    @TearDown
    public void close() {
        packed.forEach(PackedWeight::close);
        scope.close();
    }

    private <T> T next(List<T> weights) {
        next = (next + 1) % weights.size();
        return weights.get(next);
    }

    /** The floor: the weight's numbers, added up. */
    @Benchmark
    public void read() {
        try (TensorScope inner = TensorScope.open()) {
            next(matrices).sum();
        }
    }

    /** libtorch's product, by the library that it asks for this processor. */
    @Benchmark
    public void matmul() {
        try (TensorScope inner = TensorScope.open()) {
            x.matmul(next(matrices).t());
        }
    }

    /** oneDNN's product with the weight as it lies. */
    @Benchmark
    public void innerProduct() {
        try (TensorScope inner = TensorScope.open()) {
            InnerProduct.of(x, next(matrices));
        }
    }

    /** oneDNN's product with the weight in the order that it likes best. */
    @Benchmark
    public void packedWeight() {
        try (TensorScope inner = TensorScope.open()) {
            next(packed).multiply(x, null);
        }
    }
}
