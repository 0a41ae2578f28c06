package org.finetune4j.peft;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** PEFT's {@code adapter_model.safetensors}. */
public final class AdapterWeights {

    /** The file's name. */
    public static final String NAME = AdapterDirectory.WEIGHTS;

    /** What PEFT puts before the path of a module in the base model. */
    public static final String PREFIX = "base_model.model.";

    private AdapterWeights() {}

    /**
     * Writes parameters under their keys into PEFT's file.
     *
     * @param directory of the adapter
     * @param parameters by key
     */
    public static void write(Path directory, Map<String, Parameter> parameters) {
        writeFile(directory.resolve(NAME), parameters);
    }

    /**
     * Writes parameters under their keys.
     *
     * @param path of the file, which is replaced
     * @param parameters by key
     */
    public static void writeFile(Path path, Map<String, Parameter> parameters) {
        List<Entry> entries = parameters.entrySet().stream()
                .map(entry -> Entry.of(entry.getKey(), entry.getValue()))
                .toList();
        SafetensorsWriter.write(path, entries, SafetensorsWriter.PYTORCH_METADATA);
    }

    /**
     * Reads stored values into parameters that are there.
     *
     * @param files the adapter's
     * @param parameters the adapter's own, by key
     * @param network the model that the adapter is on, whose own parameters the file may hold as well: they must be the
     *     same there
     * @param madeFor what the adapter's configuration says about its base model, for messages
     * @throws UserErrorException when a tensor is missing, has another shape, or belongs to no parameter: the adapter was
     *     made for another base model or with other settings
     */
    public static void read(AdapterFiles files, Map<String, Parameter> parameters, Module network, String madeFor) {
        Path path = files.weightsPath();
        SafetensorsFile file = files.requiredWeights();
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            BaseKeys base = new BaseKeys(network);
            List<String> names = file.names();
            for (String key : names) {
                if (!parameters.containsKey(key) && !BaseKeys.isCopy(key, names)) {
                    checkIsBase(file, path, key, base.find(key), madeFor);
                }
            }
            parameters.forEach((key, parameter) -> checkShape(file, path, key, parameter, madeFor));
            parameters.forEach((key, parameter) -> parameter.set(parameter.ownPart(file.tensor(key))));
        }
    }

    /**
     * Says what to do about weights in Python's own format.
     *
     * @param directory of the adapter
     * @throws UserErrorException when a directory has such weights and no others
     */
    public static void refusePickled(Path directory) {
        if (!Files.exists(directory.resolve(NAME)) && Files.exists(directory.resolve("adapter_model.bin"))) {
            throw new UserErrorException(directory + ": the weights are pickled (adapter_model.bin), which can run code"
                    + " when it is read: save the adapter again as safetensors");
        }
    }

    private static void checkShape(SafetensorsFile file, Path path, String key, Parameter parameter, String madeFor) {
        if (!file.contains(key)) {
            throw new UserErrorException(path + ": no tensor '" + key + "'; the adapter was made for " + madeFor);
        }
        long[] stored = file.info(key).shape();
        long[] wanted = parameter.wholeShape();
        if (!Arrays.equals(stored, wanted)) {
            throw new UserErrorException(path + ": tensor '" + key + "' has the shape " + Arrays.toString(stored)
                    + ", this model with these settings needs " + Arrays.toString(wanted)
                    + "; the adapter was made for "
                    + madeFor);
        }
    }

    private static void checkIsBase(
            SafetensorsFile file, Path path, String key, @Nullable Parameter parameter, String madeFor) {
        if (parameter == null) {
            throw new UserErrorException(path + ": tensor '" + key + "' fits nothing in this model as"
                    + " adapter_config.json adapts it; the adapter was made for " + madeFor);
        }
        checkShape(file, path, key, parameter, madeFor);
        double difference = StoredBase.difference(file, key, parameter);
        if (!(difference <= StoredBase.SAME)) {
            throw new UserErrorException(path + ": tensor '" + key + "' differs from the base model's own by "
                    + difference + "; the adapter was made for " + madeFor + " with changed weights");
        }
    }
}
