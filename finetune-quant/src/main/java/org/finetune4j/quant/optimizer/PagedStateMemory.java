package org.finetune4j.quant.optimizer;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.MappedMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * States in files that are mapped into memory: the system writes their pages out when memory is short. Beyond an allowance,
 * the states that were used longest ago are let go at once, so that they never take more than it.
 */
public final class PagedStateMemory implements StateMemory {

    private final Path directory;
    private final long allowance;
    private final Map<Tensor, Tensor> mappings = new IdentityHashMap<>();
    private final LinkedHashSet<Tensor> resident = new LinkedHashSet<>();
    private long residentBytes;
    private long pagedOut;

    /**
     * Makes a memory.
     *
     * @param parent where the files go, in a directory of their own that is deleted when this closes
     * @param allowance most bytes of states that may be resident; the states of one parameter always are while it is updated
     * @throws UserErrorException when nothing can be written there
     */
    public PagedStateMemory(Path parent, long allowance) {
        this.allowance = allowance;
        try {
            Files.createDirectories(parent);
            this.directory = Files.createTempDirectory(parent, "optimizer-states-");
        } catch (IOException e) {
            throw new UserErrorException("cannot write optimizer states to " + parent + ": " + Reasons.of(e), e);
        }
    }

    @Override
    public Tensor zeros(DType dtype, long... shape) {
        long count = 1;
        for (long length : shape) {
            count *= length;
        }
        long bytes = Math.max(1, count * dtype.itemSize());
        Path file = directory.resolve("state-" + mappings.size());
        try (RandomAccessFile created = new RandomAccessFile(file.toFile(), "rw");
                TensorScope scope = TensorScope.open()) {
            created.setLength(bytes);
            Tensor mapping = Tensors.mappedForWriting(file, bytes).unscoped();
            Tensor state = mapping.viewAs(dtype).view(shape).unscoped();
            mappings.put(state, mapping);
            return state;
        } catch (IOException e) {
            throw new UserErrorException("cannot write optimizer states to " + file + ": " + Reasons.of(e), e);
        }
    }

    @Override
    public void touch(List<Tensor> tensors) {
        for (Tensor tensor : tensors) {
            if (resident.remove(tensor)) {
                residentBytes -= bytesOf(tensor);
            }
        }
        long wanted = tensors.stream().mapToLong(PagedStateMemory::bytesOf).sum();
        while (residentBytes + wanted > allowance && !resident.isEmpty()) {
            Tensor oldest = resident.iterator().next();
            resident.remove(oldest);
            residentBytes -= bytesOf(oldest);
            release(oldest);
        }
        resident.addAll(tensors);
        residentBytes += wanted;
    }

    private void release(Tensor tensor) {
        Tensor mapping = mappings.get(tensor);
        if (mapping != null) {
            MappedMemory.release(mapping, 0, mapping.numel());
            pagedOut++;
        }
    }

    /** How often states were let go so far. */
    public long pagedOut() {
        return pagedOut;
    }

    private static long bytesOf(Tensor tensor) {
        return tensor.numel() * tensor.dtype().itemSize();
    }

    @Override
    public void close() {
        mappings.forEach((state, mapping) -> {
            state.close();
            mapping.close();
        });
        mappings.clear();
        resident.clear();
        AtomicFiles.deleteTree(directory);
    }
}
