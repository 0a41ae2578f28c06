package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.CheckpointWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Writes a model of a known size with random weights, one tensor at a time: it never is in memory. */
@Command(
        name = "make-model",
        mixinStandardHelpOptions = true,
        description = "Writes a model of a known size with random weights, for measuring.")
final class BenchMakeModelCommand implements Callable<Integer> {

    private static final long SHARD_BYTES = 5_000_000_000L;

    @Option(names = "--shape", required = true, description = "${COMPLETION-CANDIDATES}")
    private BenchShape shape;

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "Where to write the model.")
    private Path output;

    @Option(names = "--layers", defaultValue = "0", description = "Layers, if not those of the shape.")
    private int layers;

    @Option(names = "--dtype", defaultValue = "bfloat16", description = "Type of the weights (${DEFAULT-VALUE}).")
    private String dtype;

    @Option(names = "--seed", defaultValue = "0", description = "Decides the weights (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Override
    public Integer call() {
        DType stored = DType.parseChoice("--dtype", dtype).orElse(DType.BFLOAT16);
        ModelConfig config = (layers > 0 ? shape.config(layers) : shape.config()).withStorageDType(stored);
        Torch.seed(seed);
        List<Entry> entries = new ArrayList<>();
        try (TensorScope scope = TensorScope.open()) {
            ShapesOnly shapes = new ShapesOnly();
            try (DecoderModel network = Architecture.of(config).build(config, Weights.of(shapes))) {
                network.namedParameters()
                        .forEach((name, parameter) -> entries.add(new Entry(
                                name, stored, parameter.shape(), () -> shapes.make(name, stored, parameter.shape()))));
                CheckpointWriter.write(output, entries, SHARD_BYTES);
            }
        }
        config.save(output);
        System.out.println(output);
        return 0;
    }
}
