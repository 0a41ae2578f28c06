package org.finetune4j.train;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.CheckpointManifest.Entry;
import org.finetune4j.train.CheckpointManifest.Piece;

/** Reads whole tensors from a checkpoint, whatever number of processes wrote its pieces. */
final class CheckpointTensors implements AutoCloseable {

    private final Path directory;
    private final CheckpointManifest manifest;
    private final Map<String, SafetensorsFile> open = new LinkedHashMap<>();

    CheckpointTensors(Path directory, CheckpointManifest manifest) {
        this.directory = directory;
        this.manifest = manifest;
    }

    /** The tensors whose names begin so, by the rest of their names; they belong to the scope. */
    Map<String, Tensor> withPrefix(String prefix) {
        return withPrefix(prefix, (name, whole) -> Optional.of(whole));
    }

    /**
     * The same for a process that takes parts of them, with one whole in memory at a time.
     *
     * @param taken what it takes of the tensor of this rest of a name
     */
    Map<String, Tensor> withPrefix(String prefix, BiFunction<String, Tensor, Optional<Tensor>> taken) {
        Map<String, Tensor> found = new LinkedHashMap<>();
        for (String name : manifest.tensors().keySet()) {
            if (name.startsWith(prefix)) {
                String rest = name.substring(prefix.length());
                try (TensorScope scope = TensorScope.open()) {
                    taken.apply(rest, tensor(name)).ifPresent(part -> found.put(rest, scope.keep(part)));
                }
            }
        }
        return found;
    }

    /**
     * The whole tensor of this name; it belongs to the scope.
     *
     * @throws UserErrorException when there is none, or a piece is not as the manifest says
     */
    Tensor tensor(String name) {
        Entry entry = manifest.tensors().get(name);
        if (entry == null) {
            throw new UserErrorException(directory + ": no tensor '" + name + "' in " + CheckpointManifest.FILE);
        }
        try (TensorScope scope = TensorScope.open()) {
            // All are there, of these shapes, before room for the whole is taken.
            List<Tensor> stored = entry.pieces().stream()
                    .map(piece -> piece(name, entry, piece))
                    .toList();
            if (stored.size() == 1) {
                return scope.keep(stored.get(0).reshape(entry.shape()));
            }
            Tensor whole = Tensors.zeros(stored.get(0).dtype(), Device.CPU, entry.shape());
            Tensor space = entry.isFlat() ? whole.view(-1) : whole;
            for (int i = 0; i < stored.size(); i++) {
                Tensor place = space;
                Piece piece = entry.pieces().get(i);
                for (int dimension = 0; dimension < piece.shape().length; dimension++) {
                    place = place.narrow(dimension, piece.offset()[dimension], piece.shape()[dimension]);
                }
                place.copyInPlace(stored.get(i));
            }
            return scope.keep(whole);
        }
    }

    private Tensor piece(String name, Entry entry, Piece piece) {
        SafetensorsFile file =
                open.computeIfAbsent(piece.file(), path -> SafetensorsFile.open(directory.resolve(path)));
        String stored = name.substring(piece.file().lastIndexOf('/') + 1);
        Tensor tensor = file.tensor(stored);
        if (!tensor.dtype().safetensorsName().equals(entry.dtype()) || !Arrays.equals(tensor.shape(), piece.shape())) {
            throw new UserErrorException(directory.resolve(piece.file()) + ": '" + stored + "' is " + tensor + ", "
                    + CheckpointManifest.FILE + " says " + Arrays.toString(piece.shape()) + " " + entry.dtype());
        }
        return tensor;
    }

    @Override
    public void close() {
        open.values().forEach(SafetensorsFile::close);
        open.clear();
    }
}
