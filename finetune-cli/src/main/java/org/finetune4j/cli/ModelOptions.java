package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ClassifierHead;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.WeightCompression;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options of commands that load a model. */
final class ModelOptions {

    @Option(
            names = "--model",
            required = true,
            paramLabel = "MODEL",
            description = "Model directory, or ORG/NAME on the hub.")
    private String model;

    @Option(
            names = "--adapter",
            paramLabel = "ADAPTER",
            description = "Adapter in PEFT's format: directory, or ORG/NAME.")
    private @Nullable String adapter;

    @Option(
            names = "--device",
            defaultValue = "auto",
            paramLabel = "NAME",
            description = "auto, cpu, cuda or cuda:N (default: ${DEFAULT-VALUE}).")
    private String device;

    @Option(
            names = "--dtype",
            paramLabel = "NAME",
            description = "Type to hold the weights in: float32, bfloat16, float16.")
    private @Nullable String dtype;

    @Option(
            names = "--compute-dtype",
            paramLabel = "NAME",
            description = "Type to calculate in (default: float32 on a CPU, the weights' type on a GPU).")
    private @Nullable String computeDType;

    private @Nullable Path directory;
    private @Nullable Path adapterDirectory;
    private @Nullable LoadOptions options;

    CausalLM load() {
        return load(null);
    }

    /**
     * The model with its base's weights compressed as the adapter's training had them.
     *
     * @param compression of the weights, or null for weights as they are stored
     */
    CausalLM load(@Nullable WeightCompression compression) {
        // Everything that needs no libtorch comes first: a misspelt name is told at once.
        Device.checkName(device);
        DType stored =
                dtype == null ? null : DType.parseChoice("--dtype", dtype).orElse(null);
        DType computed = computeDType == null
                ? null
                : DType.parseChoice("--compute-dtype", computeDType).orElse(null);
        Path modelDirectory = directory();
        Path adapted = adapterDirectory();
        LoadOptions plain = new LoadOptions(Device.parse(device), stored)
                .withComputeDType(computed)
                .withCompression(compression);
        // A classifier's adapter holds the head, which its base has to have room for.
        options = adapted == null
                ? plain
                : ClassifierHead.ofAdapter(adapted).map(plain::asClassifier).orElse(plain);
        return CausalLM.load(modelDirectory, options);
    }

    /** Another model, where and in the types that {@link #load()} put the first one. */
    CausalLM loadBeside(Path other) {
        return CausalLM.load(other, Objects.requireNonNull(options, "load() comes first"));
    }

    /** Puts the adapter onto the model, if one was named. */
    @Nullable
    Adapter attachAdapter(CausalLM loaded, boolean trainable) {
        Path found = adapterDirectory();
        return found == null ? null : AdapterFormat.load(loaded, found, trainable);
    }

    private @Nullable Path adapterDirectory() {
        if (adapter != null && adapterDirectory == null) {
            adapterDirectory = HubModels.directory(adapter);
        }
        return adapterDirectory;
    }

    /** Where the model lies, and the adapter, if one was named. */
    List<Path> directories() {
        Path adapted = adapterDirectory();
        return adapted == null ? List.of(directory()) : List.of(directory(), adapted);
    }

    boolean hasAdapter() {
        return adapter != null;
    }

    /** Where the model lies; from the hub it is downloaded first. */
    Path directory() {
        if (directory == null) {
            directory = HubModels.directory(model);
        }
        return directory;
    }
}
