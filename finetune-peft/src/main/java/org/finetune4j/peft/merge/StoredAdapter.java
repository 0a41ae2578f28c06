package org.finetune4j.peft.merge;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.strategy.AdapterFormat;

/** An adapter in its directory: the configuration as it was written, and the tensors. No model is needed to look at it. */
final class StoredAdapter implements AutoCloseable {

    /** PEFT's name, and AdapterHub's. */
    private static final List<String> WEIGHTS = List.of(AdapterWeights.NAME, "adapter.safetensors");

    private final Path directory;
    private final Settings config;
    private final Path weights;
    private final SafetensorsFile file;

    private StoredAdapter(Path directory, Settings config, Path weights) {
        this.directory = directory;
        this.config = config;
        this.weights = weights;
        this.file = SafetensorsFile.open(weights);
    }

    /**
     * Opens an adapter directory.
     *
     * @throws UserErrorException when there is none, or its files cannot be read
     */
    static StoredAdapter open(Path directory) {
        AdapterFormat.of(directory);
        AdapterWeights.refusePickled(directory);
        Path weights = WEIGHTS.stream()
                .map(directory::resolve)
                .filter(Files::isRegularFile)
                .findFirst()
                .orElseThrow(() -> new UserErrorException(directory + ": no weights: expected " + WEIGHTS.get(0)));
        return new StoredAdapter(directory, AdapterConfigFile.read(directory), weights);
    }

    Path directory() {
        return directory;
    }

    Settings config() {
        return config;
    }

    /** The weights' file name. */
    String fileName() {
        return weights.getFileName().toString();
    }

    SafetensorsFile file() {
        return file;
    }

    /** PEFT's name of the method; AdapterHub's adapters have none. */
    String peftType() {
        return config.text("peft_type").orElse("bottleneck adapter");
    }

    /** Whether the mean of parameters means something for this method. */
    boolean parametersAverage() {
        return AdapterFormat.of(directory).parametersAverage();
    }

    @Override
    public void close() {
        file.close();
    }
}
