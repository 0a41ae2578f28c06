package org.finetune4j.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.TensorInfo;

/**
 * The table of contents of a checkpoint, {@code checkpoint.json}: the version of the format, every file with its length, and
 * every tensor with its whole shape and the pieces that it is stored in. A run on several devices writes a piece from each, so
 * a run on another number of them reads the same checkpoint.
 *
 * @param step optimizer steps that it holds
 * @param worldSize how many processes wrote it
 * @param files their lengths in bytes, by their path in the checkpoint
 * @param tensors by name; one that lies in a subdirectory has its path before it
 */
record CheckpointManifest(long step, int worldSize, Map<String, Long> files, Map<String, Entry> tensors) {

    static final String FILE = "checkpoint.json";

    private static final String FORMAT = "finetune4j-checkpoint";
    private static final int VERSION = 1;
    private static final String REMEDY = "; delete the directory to go on from an older checkpoint";

    /** Names joined by slashes, none of which begins with a dot. */
    private static final Pattern INSIDE =
            Pattern.compile("[^/.\\x00\\\\][^/\\x00\\\\]*(/[^/.\\x00\\\\][^/\\x00\\\\]*)*");

    private static final String SAFETENSORS = ".safetensors";

    /**
     * A tensor.
     *
     * @param dtype safetensors' name of it
     * @param shape of the whole
     * @param pieces that give the whole when they are put together
     */
    record Entry(String dtype, long[] shape, List<Piece> pieces) {

        /** Whether pieces are consecutive numbers of the whole in row-major order, as those of sharded parameters. */
        boolean isFlat() {
            return shape.length != 1
                    && !pieces.isEmpty()
                    && pieces.stream().allMatch(piece -> piece.offset().length == 1 && piece.shape().length == 1);
        }

        /** Whether the pieces lie inside of the whole, have as many numbers as it, and do not overlap. */
        boolean isComplete() {
            long all = product(shape);
            long[] space = isFlat() ? new long[] {all} : shape;
            long stored = 0;
            for (int i = 0; i < pieces.size(); i++) {
                Piece piece = pieces.get(i);
                if (!piece.liesIn(space) || pieces.subList(0, i).stream().anyMatch(piece::overlaps)) {
                    return false;
                }
                stored += product(piece.shape());
            }
            return all >= 0 && stored == all;
        }
    }

    /**
     * A block of a tensor.
     *
     * @param file where it is stored, under the tensor's name
     * @param offset of its first number in the whole, an index a dimension, or one where pieces are flat
     * @param shape of the block
     */
    record Piece(String file, long[] offset, long[] shape) {

        boolean liesIn(long[] whole) {
            if (offset.length != whole.length || shape.length != whole.length) {
                return false;
            }
            for (int i = 0; i < whole.length; i++) {
                if (offset[i] < 0 || shape[i] < 0 || shape[i] > whole[i] - offset[i]) {
                    return false;
                }
            }
            return true;
        }

        /** Whether they have a number in common. */
        boolean overlaps(Piece other) {
            for (int i = 0; i < offset.length; i++) {
                if (offset[i] >= other.offset[i] + other.shape[i] || other.offset[i] >= offset[i] + shape[i]) {
                    return false;
                }
            }
            return true;
        }
    }

    /** The number of elements, or -1 where there can be none so many. */
    private static long product(long[] shape) {
        try {
            return Arrays.stream(shape).reduce(1, Math::multiplyExact);
        } catch (ArithmeticException e) {
            return -1;
        }
    }

    /**
     * What lies in a directory: a tensor is one piece, or the parts of it that processes have written with {@link
     * ParameterParts}.
     *
     * @throws UserErrorException when parts of one tensor do not belong together
     */
    static CheckpointManifest ofDirectory(Path directory, long step) throws IOException {
        Map<String, Long> files = new TreeMap<>();
        Map<String, Entry> tensors = new TreeMap<>();
        int worldSize = 1;
        try (Stream<Path> tree = Files.walk(directory)) {
            for (Path file : tree.filter(Files::isRegularFile).toList()) {
                String path = directory.relativize(file).toString().replace('\\', '/');
                files.put(path, Files.size(file));
                if (path.endsWith(SAFETENSORS)) {
                    worldSize = Math.max(worldSize, addTensors(file, path, tensors));
                }
            }
        }
        CheckpointManifest manifest = new CheckpointManifest(step, worldSize, files, tensors);
        manifest.checkTensors(directory);
        return manifest;
    }

    /** Adds what a file holds and gives how many processes have written such files. */
    private static int addTensors(Path file, String path, Map<String, Entry> tensors) {
        String parent = path.substring(0, path.lastIndexOf('/') + 1);
        try (SafetensorsFile content = SafetensorsFile.open(file)) {
            ParameterParts parts = ParameterParts.of(content);
            for (String name : content.names()) {
                TensorInfo info = content.info(name);
                String dtype = info.dtype().safetensorsName();
                ParameterParts.Place place = parts.places().get(name);
                if (place == null) {
                    Piece whole = new Piece(path, new long[info.shape().length], info.shape());
                    tensors.put(parent + name, new Entry(dtype, info.shape(), List.of(whole)));
                } else {
                    Piece part = new Piece(path, new long[] {place.offset()}, info.shape());
                    tensors.merge(
                            parent + name,
                            new Entry(dtype, place.shape(), List.of(part)),
                            (first, second) -> joined(file, name, first, second));
                }
            }
            return parts.ranks();
        }
    }

    private static Entry joined(Path file, String name, Entry first, Entry second) {
        if (!first.dtype().equals(second.dtype()) || !Arrays.equals(first.shape(), second.shape())) {
            throw new UserErrorException(file + ": '" + name + "' is a part of " + Arrays.toString(second.shape()) + " "
                    + second.dtype() + ", other files have it as " + Arrays.toString(first.shape()) + " "
                    + first.dtype());
        }
        List<Piece> pieces = new ArrayList<>(first.pieces());
        pieces.addAll(second.pieces());
        return new Entry(first.dtype(), first.shape(), pieces);
    }

    void write(Path directory) throws IOException {
        ObjectNode json = Json.object();
        json.put("format", FORMAT).put("version", VERSION).put("step", step).put("world_size", worldSize);
        ObjectNode lengths = json.putObject("files");
        files.forEach(lengths::put);
        ObjectNode table = json.putObject("tensors");
        tensors.forEach((name, entry) -> {
            ObjectNode node = table.putObject(name).put("dtype", entry.dtype());
            put(node, "shape", entry.shape());
            ArrayNode pieces = node.putArray("pieces");
            for (Piece piece : entry.pieces()) {
                ObjectNode item = pieces.addObject().put("file", piece.file());
                put(item, "offset", piece.offset());
                put(item, "shape", piece.shape());
            }
        });
        Files.writeString(directory.resolve(FILE), Json.write(json) + "\n");
    }

    private static void put(ObjectNode node, String key, long[] values) {
        ArrayNode array = node.putArray(key);
        Arrays.stream(values).forEach(array::add);
    }

    /** Whether a directory says that it is a checkpoint of this program. */
    static boolean isIn(Path directory) {
        return Files.isRegularFile(directory.resolve(FILE));
    }

    /**
     * Reads and checks the table.
     *
     * @throws UserErrorException when it is missing, of an unknown version, contradicts itself, or files have other lengths
     */
    static CheckpointManifest read(Path directory) {
        Path file = directory.resolve(FILE);
        if (!isIn(directory)) {
            throw new UserErrorException(directory + ": no " + FILE
                    + " in it: another program or an earlier version made it, or it is not complete");
        }
        ObjectNode json = InputFiles.jsonObject(file);
        String format = json.path("format").asText();
        if (!format.equals(FORMAT)) {
            throw new UserErrorException(file + ": 'format' is '" + format + "', expected '" + FORMAT + "'");
        }
        if (!json.path("version").isInt() || json.path("version").intValue() != VERSION) {
            throw new UserErrorException(file + ": version " + json.path("version")
                    + " of the checkpoint format is unknown, this program reads version " + VERSION
                    + ": resume with the version of Finetune4j that wrote it");
        }
        CheckpointManifest manifest = new CheckpointManifest(
                natural(file, json, "step"),
                (int) natural(file, json, "world_size"),
                lengths(file, json.path("files")),
                tensors(file, json.path("tensors")));
        manifest.checkFiles(directory);
        manifest.checkTensors(file);
        return manifest;
    }

    private static long natural(Path file, JsonNode json, String key) {
        JsonNode value = json.path(key);
        if (!value.isIntegralNumber() || !value.canConvertToLong() || value.longValue() < 0) {
            throw new UserErrorException(file + ": '" + key + "' is " + value + ", expected a number of at least 0");
        }
        return value.longValue();
    }

    private static Map<String, Long> lengths(Path file, JsonNode json) {
        Map<String, Long> lengths = new LinkedHashMap<>();
        json.fieldNames().forEachRemaining(name -> {
            if (!INSIDE.matcher(name).matches()) {
                throw new UserErrorException(file + ": '" + name + "' is no path inside of the checkpoint");
            }
            lengths.put(name, natural(file, json, name));
        });
        return Collections.unmodifiableMap(lengths);
    }

    private static Map<String, Entry> tensors(Path file, JsonNode json) {
        Map<String, Entry> tensors = new LinkedHashMap<>();
        json.properties().forEach(field -> {
            JsonNode node = field.getValue();
            List<Piece> pieces = new ArrayList<>();
            node.path("pieces")
                    .forEach(piece -> pieces.add(new Piece(
                            piece.path("file").asText(),
                            naturals(file, piece, "offset"),
                            naturals(file, piece, "shape"))));
            tensors.put(
                    field.getKey(),
                    new Entry(node.path("dtype").asText(), naturals(file, node, "shape"), List.copyOf(pieces)));
        });
        return Collections.unmodifiableMap(tensors);
    }

    private static long[] naturals(Path file, JsonNode json, String key) {
        JsonNode array = json.path(key);
        if (!array.isArray()) {
            throw new UserErrorException(file + ": '" + key + "' is " + array + ", expected a list of numbers");
        }
        long[] values = new long[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).asLong(-1);
            if (values[i] < 0) {
                throw new UserErrorException(file + ": '" + key + "' is " + array + ", expected numbers of at least 0");
            }
        }
        return values;
    }

    private void checkFiles(Path directory) {
        files.forEach((name, length) -> {
            Path file = directory.resolve(name);
            long found;
            try {
                found = Files.size(file);
            } catch (IOException e) {
                throw new UserErrorException(directory + ": incomplete: " + name + " is missing" + REMEDY, e);
            }
            if (found != length) {
                throw new UserErrorException(directory + ": incomplete: " + name + " has " + found + " bytes, " + FILE
                        + " says " + length + REMEDY);
            }
        });
    }

    private void checkTensors(Path file) {
        tensors.forEach((name, entry) -> {
            boolean known = entry.pieces().stream().map(Piece::file).allMatch(files::containsKey);
            if (!known || !entry.isComplete()) {
                throw new UserErrorException(file + ": the pieces of '" + name + "' do not make its shape "
                        + Arrays.toString(entry.shape()));
            }
        });
    }
}
