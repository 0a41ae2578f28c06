package org.finetune4j.benchmarks;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.finetune4j.quant.kernel.AdamKernel;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.FusedAdamW;
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

/** A step of AdamW with moments in 8 bits, beside libtorch's fused one with moments in float32. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@SuppressWarnings("NullAway.Init")
public class AdamBenchmark {

    private static final double LEARNING_RATE = 1e-4;
    private static final double WEIGHT_DECAY = 0.01;

    /** Numbers of the parameter. */
    @Param("4194304")
    public int count;

    private TensorScope scope;
    private Tensor value;
    private Tensor gradient;
    private List<Tensor> moments;
    private List<Tensor> codes;
    private List<Tensor> scales;
    private long step;

    /** Makes the parameter and both kinds of state. */
    @Setup
    public void open() {
        scope = TensorScope.open();
        value = Tensors.randn(DType.FLOAT32, Device.CPU, count);
        gradient = Tensors.randn(DType.FLOAT32, Device.CPU, count);
        moments = List.of(zeros(DType.FLOAT32, count), zeros(DType.FLOAT32, count));
        codes = List.of(zeros(DType.UINT8, count), zeros(DType.UINT8, count));
        int blocks = (count + AdamKernel.BLOCK_SIZE - 1) / AdamKernel.BLOCK_SIZE;
        scales = List.of(zeros(DType.FLOAT32, blocks), zeros(DType.FLOAT32, blocks));
        step = 0;
    }

    private static Tensor zeros(DType dtype, int length) {
        return Tensors.zeros(dtype, Device.CPU, length);
    }

    /** Gives their memory back. */
    @TearDown
    public void close() {
        scope.close();
    }

    /** Moments in 8 bits, {@code adamw_8bit}. */
    @Benchmark
    public void eightBit() {
        step++;
        AdamKernel.step(
                value,
                gradient,
                codes.get(0),
                codes.get(1),
                scales.get(0),
                scales.get(1),
                new AdamKernel.Settings(0.9f, 0.999f, 1e-8f),
                step,
                LEARNING_RATE,
                WEIGHT_DECAY);
    }

    /** Moments in float32, {@code adamw}. */
    @Benchmark
    public void float32() {
        step++;
        FusedAdamW.step(
                List.of(value),
                List.of(gradient),
                List.of(moments.get(0)),
                List.of(moments.get(1)),
                step,
                LEARNING_RATE,
                0.9,
                0.999,
                WEIGHT_DECAY,
                1e-8);
    }
}
