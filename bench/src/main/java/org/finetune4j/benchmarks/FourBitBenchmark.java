package org.finetune4j.benchmarks;

import java.util.concurrent.TimeUnit;
import org.finetune4j.quant.FourBitWeight;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
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

/** A weight in 4 bits, blocks of 64, their scales in 8: float32 is made of it at best as fast as {@link #copy} writes it. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@SuppressWarnings("NullAway.Init")
public class FourBitBenchmark {

    private static final int BLOCK_SIZE = 64;

    /** Rows and columns of the weight. */
    @Param("4096")
    public int size;

    /** The code of 4 bits. */
    @Param({"NF4", "FP4"})
    public QuantizationType type;

    private TensorScope scope;
    private Tensor weight;
    private Tensor target;
    private Tensor row;
    private FourBitWeight quantised;

    /** Makes the weight. */
    @Setup
    public void open() {
        scope = TensorScope.open();
        weight = Tensors.randn(DType.FLOAT32, Device.CPU, size, size);
        target = Tensors.zeros(DType.FLOAT32, Device.CPU, size, size);
        row = Tensors.randn(DType.FLOAT32, Device.CPU, 1, size);
        quantised = FourBitWeight.quantize(weight, type, BLOCK_SIZE, true);
    }

    /** Gives its memory back. */
    @TearDown
    public void close() {
        quantised.close();
        scope.close();
    }

    /** The floor: float32 from memory to memory. */
    @Benchmark
    public void copy() {
        target.copyInPlace(weight);
    }

    /** All of the weight in float32. */
    @Benchmark
    public void dequantize() {
        quantised.decompressInto(target);
    }

    /** One row times the weight, which is made float32 in tiles. */
    @Benchmark
    public void multiplyOneRow() {
        try (TensorScope inner = TensorScope.open()) {
            quantised.multiply(row);
        }
    }

    /** From float32 to codes and scales. */
    @Benchmark
    public void quantize() {
        FourBitWeight.quantize(weight, type, BLOCK_SIZE, true).close();
    }
}
