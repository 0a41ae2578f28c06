package org.finetune4j.model.safetensors;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.InputFiles;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/** The weights of a model directory: {@code model.safetensors}, or several files and their index. */
public final class CheckpointReader implements AutoCloseable {

    static final String SINGLE_FILE = "model.safetensors";
    static final String INDEX_FILE = "model.safetensors.index.json";

    private final Path directory;
    private final Map<String, SafetensorsFile> fileByTensor;
    private final List<SafetensorsFile> files;

    private CheckpointReader(Path directory, Map<String, SafetensorsFile> fileByTensor, List<SafetensorsFile> files) {
        this.directory = directory;
        this.fileByTensor = fileByTensor;
        this.files = files;
    }

    /**
     * Opens the weights of a directory.
     *
     * @param directory of the model
     * @return the open weights, which the caller closes
     * @throws UserErrorException when there are none, a file is missing or broken, or the index and the files disagree
     */
    public static CheckpointReader open(Path directory) {
        if (Files.exists(directory.resolve(SINGLE_FILE))) {
            SafetensorsFile file = SafetensorsFile.open(directory.resolve(SINGLE_FILE));
            Map<String, SafetensorsFile> byTensor = new LinkedHashMap<>();
            file.names().forEach(name -> byTensor.put(name, file));
            return new CheckpointReader(directory, byTensor, List.of(file));
        }
        if (Files.exists(directory.resolve(INDEX_FILE))) {
            return openSharded(directory);
        }
        if (Files.exists(directory.resolve("pytorch_model.bin"))
                || Files.exists(directory.resolve("pytorch_model.bin.index.json"))) {
            throw new UserErrorException(directory + ": the weights are pickled (pytorch_model.bin), which can run code"
                    + " when it is read: save the model again as safetensors");
        }
        throw new UserErrorException(directory + ": no weights: expected " + SINGLE_FILE + " or " + INDEX_FILE);
    }

    private static CheckpointReader openSharded(Path directory) {
        Path index = directory.resolve(INDEX_FILE);
        JsonNode map = readIndex(index);
        Map<String, SafetensorsFile> byName = new LinkedHashMap<>();
        Map<String, SafetensorsFile> byTensor = new LinkedHashMap<>();
        map.properties().forEach(entry -> {
            String fileName = entry.getValue().asText();
            Path path = directory.resolve(InputFiles.path(index + ": tensor '" + entry.getKey() + "'", fileName));
            if (!path.normalize().startsWith(directory.normalize()) || !Files.isRegularFile(path)) {
                throw new UserErrorException(index + ": tensor '" + entry.getKey() + "' lies in '" + fileName
                        + "', which is not in the directory");
            }
            SafetensorsFile file = byName.computeIfAbsent(fileName, name -> SafetensorsFile.open(path));
            if (!file.contains(entry.getKey())) {
                throw new UserErrorException(
                        index + ": '" + fileName + "' should hold tensor '" + entry.getKey() + "', but does not");
            }
            byTensor.put(entry.getKey(), file);
        });
        return new CheckpointReader(directory, byTensor, new ArrayList<>(byName.values()));
    }

    private static JsonNode readIndex(Path index) {
        JsonNode map = InputFiles.jsonObject(index).path("weight_map");
        if (!map.isObject() || map.isEmpty()) {
            throw new UserErrorException(index + ": expected 'weight_map' with the file of every tensor");
        }
        return map;
    }

    /** {@return where the files lie} */
    public Path directory() {
        return directory;
    }

    /** {@return the names of all tensors} */
    public List<String> names() {
        return List.copyOf(fileByTensor.keySet());
    }

    /**
     * {@return whether there is a tensor of this name}
     *
     * @param name of the tensor
     */
    public boolean contains(String name) {
        return fileByTensor.containsKey(name);
    }

    /**
     * {@return the tensor of this name, sharing the mapped file}
     *
     * @param name of the tensor
     * @throws UserErrorException when there is none, with the nearest name
     */
    public Tensor tensor(String name) {
        return file(name).tensor(name);
    }

    /**
     * The file that holds a tensor, as it was opened.
     *
     * @param name of the tensor
     * @return the file's length and what the system knows it by
     * @throws UserErrorException when there is no such tensor, with the nearest name
     */
    public MappedFile fileOf(String name) {
        return file(name).stored();
    }

    /**
     * Gives the memory back that reading a tensor took; it is read again when it is used again.
     *
     * @param name of the tensor
     */
    public void release(String name) {
        file(name).release(name);
    }

    /**
     * {@return the shape of a tensor, without touching it}
     *
     * @param name of the tensor
     */
    public long[] shape(String name) {
        return file(name).info(name).shape().clone();
    }

    /**
     * {@return the dtype of a tensor, without touching it}
     *
     * @param name of the tensor
     */
    public DType dtype(String name) {
        return file(name).info(name).dtype();
    }

    private SafetensorsFile file(String name) {
        SafetensorsFile file = fileByTensor.get(name);
        if (file == null) {
            throw new UserErrorException(directory + ": the checkpoint has no tensor '" + name + "'"
                    + Suggestions.didYouMean(name, fileByTensor.keySet()));
        }
        return file;
    }

    /** Lets go of the files; tensors that were read stay valid. */
    @Override
    public void close() {
        files.forEach(SafetensorsFile::close);
    }
}
