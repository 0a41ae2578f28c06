package org.finetune4j.train.gradient;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.MappedMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * Kept activations in files between a batch's forward and backward pass: what is written is let go at once, and the system
 * keeps it in memory only as long as nobody needs that memory. A directory of its own goes away with this.
 */
final class ActivationFiles implements AutoCloseable {

    private final Path directory;
    private final List<Stored> open = new ArrayList<>();
    private int files;

    /**
     * Makes the directory.
     *
     * @param parent where it goes
     * @throws UserErrorException when nothing can be written there
     */
    ActivationFiles(Path parent) {
        this.directory = AtomicFiles.temporaryDirectory(parent, "activations-");
    }

    /** One activation in its file. */
    final class Stored implements AutoCloseable {

        private final Path file;
        private final Tensor mapping;
        private final Tensor values;
        private final Device device;

        private Stored(Path file, Tensor mapping, Tensor values, Device device) {
            this.file = file;
            this.mapping = mapping;
            this.values = values;
            this.device = device;
        }

        /** The activation on the device that it came from; it belongs to the scope. */
        Tensor load() {
            return values.to(device).detach();
        }

        /** Lets go of the memory and the file. */
        @Override
        public void close() {
            if (open.remove(this)) {
                values.close();
                mapping.close();
                delete(file);
            }
        }
    }

    /**
     * Writes an activation, which the caller may close then.
     *
     * @throws UserErrorException when the disk has no room for it
     */
    Stored store(Tensor activation) {
        long bytes = activation.numel() * activation.dtype().itemSize();
        Path file = directory.resolve("activation-" + files++);
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor mapping = Tensors.mappedNew(file, bytes).unscoped();
            Tensor values =
                    mapping.viewAs(activation.dtype()).view(activation.shape()).unscoped();
            values.copyInPlace(activation.detach());
            MappedMemory.release(mapping, 0, bytes);
            Stored stored = new Stored(file, mapping, values, activation.device());
            open.add(stored);
            return stored;
        }
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            // A system that keeps mapped files deletes it with the directory, or not at all: nothing depends on it.
            file.toFile().deleteOnExit();
        }
    }

    @Override
    public void close() {
        List.copyOf(open).forEach(Stored::close);
        AtomicFiles.deleteTemporary(directory);
    }
}
