package org.finetune4j.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * Files of parameters that several processes hold together, one file from each: no process has to have a whole model. A file
 * says of every part where in the whole it belongs, so that the {@link CheckpointManifest} of the directory knows it, and any
 * number of processes can read it.
 *
 * @param ranks how many processes have written such files; 1 for a file of whole tensors
 * @param places where the file's parts belong, by name; tensors that are not named are whole
 */
record ParameterParts(int ranks, Map<String, Place> places) {

    private static final String METADATA = "finetune4j_parts";

    /**
     * A part's place.
     *
     * @param shape of the whole
     * @param offset number of the part's first value, counted through the whole in row-major order
     */
    record Place(long[] shape, long offset) {}

    /**
     * Writes what this process holds. Parameters that every process holds as a whole are written by the first one.
     *
     * @param directory where the files of all processes go
     * @param rank number of this process, from 0
     * @param ranks how many processes there are
     * @param parameters by the names in the file
     * @throws UserErrorException when the file cannot be written
     */
    static void write(Path directory, int rank, int ranks, Map<String, Parameter> parameters) {
        try (TensorScope scope = TensorScope.open()) {
            Map<String, ParameterPart> held = new LinkedHashMap<>();
            parameters.forEach((name, parameter) -> {
                ParameterPart part = parameter.form().part();
                if (rank == 0 || !part.isWhole()) {
                    held.put(name, part);
                }
            });
            write(directory.resolve("parameters-" + rank + "-of-" + ranks + ".safetensors"), ranks, held);
        }
    }

    /**
     * Writes tensors and parts of tensors.
     *
     * @param file where they go
     * @param ranks how many processes write such files
     * @param parts by the names in the file
     * @throws UserErrorException when the file cannot be written
     */
    static void write(Path file, int ranks, Map<String, ParameterPart> parts) {
        List<Entry> entries = new ArrayList<>();
        ObjectNode places = Json.object();
        parts.forEach((name, part) -> {
            if (!part.isWhole()) {
                ArrayNode shape =
                        places.putObject(name).put("offset", part.offset()).putArray("shape");
                Arrays.stream(part.shape()).forEach(shape::add);
            }
            entries.add(Entry.of(name, part.values()));
        });
        Map<String, String> metadata = new LinkedHashMap<>(SafetensorsWriter.PYTORCH_METADATA);
        if (ranks > 1) {
            ObjectNode table = Json.object().put("ranks", ranks);
            table.set("places", places);
            metadata.put(METADATA, Json.write(table));
        }
        SafetensorsWriter.write(file, entries, metadata);
    }

    /**
     * Gives parameters the values of a checkpoint, whatever number of processes wrote it: each takes what it holds, one
     * parameter after the other.
     *
     * @param checkpoint with a manifest
     * @param parameters by the names in the files
     * @throws UserErrorException when one is missing or has another shape
     */
    static void read(Path checkpoint, Map<String, Parameter> parameters) {
        CheckpointManifest manifest = CheckpointManifest.read(checkpoint);
        try (CheckpointTensors tensors = new CheckpointTensors(checkpoint, manifest)) {
            parameters.forEach((name, parameter) -> {
                try (TensorScope scope = TensorScope.open()) {
                    Tensor stored = tensors.tensor(name);
                    if (!Arrays.equals(stored.shape(), parameter.shape())) {
                        throw new UserErrorException(checkpoint + ": tensor '" + name + "' has the shape "
                                + Arrays.toString(stored.shape()) + ", the model has "
                                + Arrays.toString(parameter.shape()));
                    }
                    parameter.set(stored);
                }
            });
        }
    }

    /**
     * What a file says of its parts.
     *
     * @throws UserErrorException when that cannot be understood
     */
    static ParameterParts of(SafetensorsFile file) {
        String text = file.metadata().get(METADATA);
        if (text == null) {
            return new ParameterParts(1, Map.of());
        }
        ObjectNode json = Json.parseObject(text, METADATA);
        Map<String, Place> places = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> field : json.path("places").properties()) {
            JsonNode shape = field.getValue().path("shape");
            if (!shape.isArray()) {
                throw new UserErrorException(
                        METADATA + ": places." + field.getKey() + ".shape must be a list of lengths");
            }
            long[] lengths = new long[shape.size()];
            Arrays.setAll(lengths, i -> shape.get(i).asLong(-1));
            places.put(
                    field.getKey(),
                    new Place(lengths, field.getValue().path("offset").asLong(-1)));
        }
        return new ParameterParts(Math.max(1, json.path("ranks").asInt()), places);
    }
}
