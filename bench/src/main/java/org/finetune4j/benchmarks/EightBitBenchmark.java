package org.finetune4j.benchmarks;

import java.util.concurrent.TimeUnit;
import org.finetune4j.quant.kernel.EightBitKernels;
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

/** A weight in 8 bits with a scale a row: float32 is made of it at best as fast as {@link #copy} writes it. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@SuppressWarnings("NullAway.Init")
public class EightBitBenchmark {

    /** Rows and columns of the weight. */
    @Param("4096")
    public int size;

    private TensorScope scope;
    private Tensor weight;
    private Tensor codes;
    private Tensor absmax;
    private Tensor target;

    /** Makes the weight. */
    @Setup
    public void open() {
        scope = TensorScope.open();
        weight = Tensors.randn(DType.FLOAT32, Device.CPU, size, size);
        codes = Tensors.zeros(DType.INT8, Device.CPU, size, size);
        absmax = Tensors.zeros(DType.FLOAT32, Device.CPU, size);
        target = Tensors.zeros(DType.FLOAT32, Device.CPU, size, size);
        EightBitKernels.quantizeRows(weight, codes, absmax);
    }

    /** Gives its memory back. */
    @TearDown
    public void close() {
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
        EightBitKernels.dequantizeRows(codes, absmax, target);
    }

    /** From float32 to codes and scales. */
    @Benchmark
    public void quantize() {
        EightBitKernels.quantizeRows(weight, codes, absmax);
    }
}
