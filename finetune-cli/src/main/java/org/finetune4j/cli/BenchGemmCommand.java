package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.concurrent.Callable;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures the matrix products of a model's shapes: no training of it can be faster. */
@Command(
        name = "gemm",
        mixinStandardHelpOptions = true,
        description =
                "Times libtorch's matrix products of a model's shapes: the limit of any training on this machine.")
final class BenchGemmCommand implements Callable<Integer> {

    @Option(names = "--shape", defaultValue = "llama7b", description = "${COMPLETION-CANDIDATES}")
    private BenchShape shape;

    @Option(names = "--batch", defaultValue = "1", description = "Sequences (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(names = "--seq", defaultValue = "512", description = "Tokens a sequence (default: ${DEFAULT-VALUE}).")
    private int seq;

    @Override
    public Integer call() throws Exception {
        if (batch < 1 || seq < 1) {
            throw new UserErrorException("bench gemm needs --batch 1 and --seq 1 at least");
        }
        try (MatrixProducts.Mode products = MatrixProducts.by(MatrixProducts.Choice.ONE_DNN_FOR_MATRICES);
                TensorScope scope = TensorScope.open();
                DecoderModel network =
                        Architecture.of(shape.config()).build(shape.config(), Weights.of(new ShapesOnly()))) {
            double limit = FloatingPointLimit.measure(network, batch * seq);
            long perToken = FloatingPointLimit.Work.of(network, List.of(), seq).perToken();
            ObjectNode report = Json.object();
            report.put("shape", shape.toString());
            report.put("threads", Torch.threads());
            report.put("gflop_per_s", Math.round(limit / 1e8) / 10.0);
            report.put("gflop_per_token", Math.round(perToken / 1e6) / 1e3);
            report.put("limit_tokens_per_s", Math.round(limit / perToken * 1000) / 1e3);
            System.out.println(report);
        }
        return 0;
    }
}
