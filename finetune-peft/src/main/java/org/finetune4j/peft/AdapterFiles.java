package org.finetune4j.peft;

import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.jspecify.annotations.Nullable;

/** The files of a stored adapter, opened once for all who read them: its configuration, and what lies in its file of weights. */
public final class AdapterFiles implements AutoCloseable {

    private final Path directory;
    private final Settings settings;
    private final Path weightsPath;
    private final @Nullable SafetensorsFile weights;

    private AdapterFiles(Path directory, Settings settings, Path weightsPath, @Nullable SafetensorsFile weights) {
        this.directory = directory;
        this.settings = settings;
        this.weightsPath = weightsPath;
        this.weights = weights;
    }

    /**
     * Opens an adapter in PEFT's format.
     *
     * @param directory of the adapter
     * @return its files, which the caller closes
     * @throws UserErrorException when a file is broken, or the configuration asks for more than the weights can hold
     */
    public static AdapterFiles open(Path directory) {
        return open(directory, AdapterWeights.NAME);
    }

    /**
     * Opens an adapter whose weights have another name.
     *
     * @param directory of the adapter
     * @param weights the name of its file of weights, which need not be there
     * @return its files, which the caller closes
     * @throws UserErrorException when a file is broken, or the configuration asks for more than the weights can hold
     */
    public static AdapterFiles open(Path directory, String weights) {
        Settings settings = AdapterConfigFile.unchecked(directory);
        Path path = directory.resolve(weights);
        SafetensorsFile file = Files.isRegularFile(path) ? SafetensorsFile.open(path) : null;
        try {
            if (file != null) {
                AdapterConfigFile.checkSizes(settings, file);
            }
            return new AdapterFiles(directory, settings, path, file);
        } catch (RuntimeException e) {
            if (file != null) {
                file.close();
            }
            throw e;
        }
    }

    /** {@return where the adapter is stored} */
    public Path directory() {
        return directory;
    }

    /** {@return what the configuration says; no key counts as one that was asked for} */
    public Settings settings() {
        return new Settings(settings.origin(), settings.asMap());
    }

    /** {@return where the weights are, or would be} */
    public Path weightsPath() {
        return weightsPath;
    }

    /** The weights, or null where there is no such file. */
    @Nullable
    SafetensorsFile weights() {
        return weights;
    }

    /**
     * The weights.
     *
     * @return the open file, which belongs to this
     * @throws UserErrorException when there is none
     */
    public SafetensorsFile requiredWeights() {
        if (weights == null) {
            AdapterWeights.refusePickled(directory);
            throw new UserErrorException("no file " + weightsPath);
        }
        return weights;
    }

    @Override
    public void close() {
        if (weights != null) {
            weights.close();
        }
    }
}
