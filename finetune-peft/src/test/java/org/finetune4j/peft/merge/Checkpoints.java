package org.finetune4j.peft.merge;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.safetensors.CheckpointWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.tensor.Tensor;

/** Writes small model directories that only hold tensors and something like a configuration. */
public final class Checkpoints {

    private Checkpoints() {}

    /** A directory with these weights; below one shard size everything lies in one file. */
    public static Path write(Path directory, Map<String, Tensor> tensors, long maxShardBytes) {
        List<Entry> entries = tensors.entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .map(entry -> Entry.of(entry.getKey(), entry.getValue()))
                .toList();
        CheckpointWriter.write(directory, entries, maxShardBytes);
        try {
            Files.writeString(directory.resolve("config.json"), "{}\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return directory;
    }

    /** As above, in one file. */
    public static Path write(Path directory, Map<String, Tensor> tensors) {
        return write(directory, tensors, Long.MAX_VALUE);
    }
}
