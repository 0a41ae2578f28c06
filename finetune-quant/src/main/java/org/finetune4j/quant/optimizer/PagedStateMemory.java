package org.finetune4j.quant.optimizer;

import java.nio.file.Path;
import java.util.IdentityHashMap;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.quant.memory.BlockStore;
import org.finetune4j.quant.memory.MemoryScheduler;
import org.finetune4j.quant.memory.NextUse;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.MappedMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * States in files that are mapped into memory: the system writes their pages out when memory is short. Beyond an allowance,
 * the states whose next use is furthest away are let go at once, so that they never take more than it.
 */
public final class PagedStateMemory implements StateMemory {

    /** States that are read ahead: those of one parameter. */
    private static final int AHEAD = 4;

    private final Path directory;
    private final IdentityHashMap<Tensor, Tensor> mappings = new IdentityHashMap<>();
    private final MemoryScheduler<Tensor> scheduler;

    /**
     * Makes a memory.
     *
     * @param parent where the files go, in a directory of their own that is deleted when this closes
     * @param allowance most bytes of states that may be resident; the states of one parameter always are while it is updated
     * @throws UserErrorException when nothing can be written there
     */
    public PagedStateMemory(Path parent, long allowance) {
        this.scheduler = new MemoryScheduler<>(new Pages(), new NextUse<>(), allowance, AHEAD);
        this.directory = AtomicFiles.temporaryDirectory(parent, "optimizer-states-");
    }

    @Override
    public Tensor zeros(DType dtype, long... shape) {
        long count = 1;
        for (long length : shape) {
            count *= length;
        }
        long bytes = Math.max(1, count * dtype.itemSize());
        Path file = directory.resolve("state-" + mappings.size());
        try (TensorScope scope = TensorScope.open()) {
            Tensor mapping = Tensors.mappedNew(file, bytes).unscoped();
            Tensor state = mapping.viewAs(dtype).view(shape).unscoped();
            mappings.put(state, mapping);
            return state;
        }
    }

    @Override
    public void touch(List<Tensor> tensors) {
        scheduler.use(tensors);
    }

    /** {@return how often states were let go so far} */
    public long pagedOut() {
        return scheduler.movedOut();
    }

    /** Pages of the files: near is memory, far is the file. */
    private final class Pages implements BlockStore<Tensor> {

        @Override
        public long bytes(Tensor state) {
            return bytesOf(state);
        }

        @Override
        public void bringIn(Tensor state) {
            Tensor mapping = mappings.get(state);
            if (mapping != null) {
                MappedMemory.bringIn(mapping);
            }
        }

        @Override
        public void moveOut(Tensor state) {
            Tensor mapping = mappings.get(state);
            if (mapping != null) {
                MappedMemory.release(mapping, 0, mapping.numel());
            }
        }
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
        AtomicFiles.deleteTemporary(directory);
    }
}
