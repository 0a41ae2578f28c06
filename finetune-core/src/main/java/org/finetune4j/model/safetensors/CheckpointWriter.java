package org.finetune4j.model.safetensors;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;

/** Writes the weights of a model directory as {@code save_pretrained} does: one file, or several and their index. */
public final class CheckpointWriter {

    /** Above this size transformers starts another file. */
    public static final long DEFAULT_MAX_SHARD_BYTES = 50_000_000_000L;

    private static final Pattern WEIGHTS = Pattern.compile("model(-\\d{5}-of-\\d{5})?\\.safetensors(\\.index\\.json)?");

    private CheckpointWriter() {}

    /**
     * Writes all tensors. Files of an earlier save that are no longer needed are deleted at the end.
     *
     * @param directory of the model
     * @param entries in the order of the model, which decides what goes into which file
     * @param maxShardBytes bytes of one file at most
     * @throws UserErrorException when a file cannot be written; no file is ever half-written
     */
    public static void write(Path directory, List<Entry> entries, long maxShardBytes) {
        List<List<Entry>> shards = split(entries, maxShardBytes);
        Set<String> written = new HashSet<>();
        if (shards.size() == 1) {
            writeShards(directory, List.of(CheckpointReader.SINGLE_FILE), shards);
            written.add(CheckpointReader.SINGLE_FILE);
        } else {
            ObjectNode index = Json.object();
            TreeMap<String, String> fileByTensor = new TreeMap<>();
            List<String> names = new ArrayList<>();
            for (int i = 0; i < shards.size(); i++) {
                String name = String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
                names.add(name);
                shards.get(i).forEach(entry -> fileByTensor.put(entry.name(), name));
            }
            writeShards(directory, names, shards);
            written.addAll(names);
            ObjectNode metadata = index.putObject("metadata");
            metadata.put(
                    "total_parameters",
                    entries.stream()
                            .mapToLong(entry -> TensorInfo.numel(entry.shape()))
                            .sum());
            metadata.put("total_size", entries.stream().mapToLong(Entry::bytes).sum());
            ObjectNode map = index.putObject("weight_map");
            fileByTensor.forEach(map::put);
            AtomicFiles.writeString(directory.resolve(CheckpointReader.INDEX_FILE), pretty(index));
            written.add(CheckpointReader.INDEX_FILE);
        }
        deleteStale(directory, written);
    }

    /** Every file gets its name only when all of them are written: of a model that cannot be written nothing stays. */
    private static void writeShards(Path directory, List<String> names, List<List<Entry>> shards) {
        if (!names.isEmpty()) {
            int rest = names.size();
            SafetensorsWriter.write(
                    directory.resolve(names.get(0)),
                    shards.get(0),
                    SafetensorsWriter.PYTORCH_METADATA,
                    () -> writeShards(directory, names.subList(1, rest), shards.subList(1, rest)));
        }
    }

    /** A tensor that is too large for any file gets one of its own, as in the reference. */
    static List<List<Entry>> split(List<Entry> entries, long maxShardBytes) {
        List<List<Entry>> shards = new ArrayList<>();
        List<Entry> current = new ArrayList<>();
        long size = 0;
        for (Entry entry : entries) {
            if (entry.bytes() > maxShardBytes) {
                shards.add(List.of(entry));
                continue;
            }
            if (size + entry.bytes() > maxShardBytes) {
                shards.add(current);
                current = new ArrayList<>();
                size = 0;
            }
            current.add(entry);
            size += entry.bytes();
        }
        if (!current.isEmpty() || shards.isEmpty()) {
            shards.add(current);
        }
        return shards;
    }

    private static String pretty(ObjectNode index) {
        // Jackson's default printer puts " : " between key and value; the reference puts ": ".
        return index.toPrettyString().replace("\" : ", "\": ") + "\n";
    }

    private static void deleteStale(Path directory, Set<String> written) {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                if (WEIGHTS.matcher(name).matches() && !written.contains(name)) {
                    Files.delete(file);
                }
            }
        } catch (IOException e) {
            throw new UserErrorException("cannot delete old weights in " + directory + ": " + Reasons.of(e), e);
        }
    }
}
