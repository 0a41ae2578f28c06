package org.finetune4j.cli;

import java.util.concurrent.Callable;
import org.finetune4j.Json;
import org.finetune4j.quant.FourBitWeight;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Compares making float32 weights out of 4-bit ones with copying the float32 weights. */
@Command(
        name = "dequantize",
        mixinStandardHelpOptions = true,
        description = "Times 4-bit to float32 beside a plain copy of the float32 result.")
final class BenchDequantizeCommand implements Callable<Integer> {

    @Option(names = "--rows", defaultValue = "4096", description = "Rows of the weight (${DEFAULT-VALUE}).")
    private int rows;

    @Option(names = "--columns", defaultValue = "4096", description = "Columns of the weight (${DEFAULT-VALUE}).")
    private int columns;

    @Option(names = "--rounds", defaultValue = "30", description = "Rounds; the best counts (${DEFAULT-VALUE}).")
    private int rounds;

    @Override
    public Integer call() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor weight = Tensors.randn(DType.FLOAT32, Device.CPU, rows, columns);
            Tensor target = Tensors.zeros(DType.FLOAT32, Device.CPU, rows, columns);
            try (FourBitWeight quantised = FourBitWeight.quantize(weight, QuantizationType.NF4, 64, true)) {
                long copy = Long.MAX_VALUE;
                long dequantize = Long.MAX_VALUE;
                // In turn, so that both meet the same machine.
                for (int round = 0; round < rounds; round++) {
                    copy = Math.min(copy, nanoseconds(() -> target.copyInPlace(weight)));
                    dequantize = Math.min(dequantize, nanoseconds(() -> quantised.decompressInto(target)));
                }
                double values = (double) rows * columns;
                System.out.println(Json.write(Json.object()
                        .put("copy_gvalues_per_s", thousandths(values / copy))
                        .put("dequantize_gvalues_per_s", thousandths(values / dequantize))
                        .put("ratio", thousandths((double) copy / dequantize))));
            }
        }
        return 0;
    }

    private static double thousandths(double value) {
        return Math.rint(1000 * value) / 1000;
    }

    private static long nanoseconds(Runnable work) {
        long start = System.nanoTime();
        work.run();
        return System.nanoTime() - start;
    }
}
