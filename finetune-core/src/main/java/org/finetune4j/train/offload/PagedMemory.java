package org.finetune4j.train.offload;

import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.IdentityHashMap;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.MappedMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tensors in files that are mapped into memory: the system writes their pages out when memory is short. Beyond an allowance, those
 * whose next use is furthest away are let go at once, so that they never take more than it.
 *
 * <p>A file has no name any more as soon as it is mapped: the system frees it when nobody has its tensor any more, and when the
 * process ends, however that ends.
 */
public final class PagedMemory implements StateMemory {

    private static final Logger LOG = LoggerFactory.getLogger(PagedMemory.class);

    /** Tensors that are read ahead: the states of one parameter. */
    private static final int AHEAD = 4;

    private final Path parent;
    private final IdentityHashMap<Tensor, File> files = new IdentityHashMap<>();
    private final MemoryScheduler<Tensor> scheduler;

    /** @param isOwn whether the tensor is this memory's to close */
    private record File(Tensor mapping, boolean isOwn) {}

    /**
     * Makes a memory.
     *
     * @param parent the directory whose disk the files are on; made where it is missing
     * @param allowance most bytes that may be resident; what is in use together always is
     * @throws UserErrorException when nothing can be written there
     */
    public PagedMemory(Path parent, long allowance) {
        this.parent = parent;
        this.scheduler = new MemoryScheduler<>(new Pages(), new NextUse<>(), allowance, AHEAD);
        unname(directory(parent)); // what cannot be is said now, not after the first step
    }

    private static Path directory(Path parent) {
        return AtomicFiles.temporaryDirectory(parent, "offload-");
    }

    @Override
    public Tensor zeros(DType dtype, long... shape) {
        return inFile(true, dtype, shape);
    }

    /**
     * The same values in a file.
     *
     * @param values on the CPU
     * @return a tensor that its owner closes, whether this memory is closed by then or not
     * @throws UserErrorException when the disk has no room for it
     */
    public Tensor copy(Tensor values) {
        try (Autograd.Mode mode = Autograd.disabled()) {
            Tensor copy = inFile(false, values.dtype(), values.shape());
            return copy.copyInPlace(values);
        }
    }

    private Tensor inFile(boolean isOwn, DType dtype, long... shape) {
        long count = 1;
        for (long length : shape) {
            count *= length;
        }
        Path directory = directory(parent);
        try (TensorScope scope = TensorScope.open()) {
            Tensor mapping = Tensors.mappedNew(directory.resolve("values"), Math.max(1, count * dtype.itemSize()))
                    .unscoped();
            Tensor tensor = mapping.narrow(0, 0, count * dtype.itemSize())
                    .viewAs(dtype)
                    .view(shape)
                    .unscoped();
            files.put(tensor, new File(mapping, isOwn));
            return tensor;
        } finally {
            unname(directory);
        }
    }

    private static void unname(Path directory) {
        try {
            AtomicFiles.deleteTemporary(directory);
        } catch (UncheckedIOException e) {
            LOG.debug("{} stays until the process ends: this system keeps mapped files", directory, e);
        }
    }

    @Override
    public void touch(List<Tensor> tensors) {
        List<Tensor> own = tensors.stream().filter(files::containsKey).toList();
        if (!own.isEmpty()) {
            scheduler.use(own);
        }
    }

    /** {@return bytes of all tensors, wherever their pages are} */
    public long bytes() {
        return files.keySet().stream().mapToLong(PagedMemory::bytesOf).sum();
    }

    /** {@return how often tensors were let go so far} */
    public long pagedOut() {
        return scheduler.movedOut();
    }

    /** Pages of the files: near is memory, far is the file. */
    private final class Pages implements BlockStore<Tensor> {

        @Override
        public long bytes(Tensor tensor) {
            return bytesOf(tensor);
        }

        @Override
        public void bringIn(Tensor tensor) {
            File file = files.get(tensor);
            if (file != null) {
                MappedMemory.bringIn(file.mapping);
            }
        }

        @Override
        public void moveOut(Tensor tensor) {
            File file = files.get(tensor);
            if (file != null) {
                MappedMemory.release(file.mapping, 0, file.mapping.numel());
            }
        }
    }

    private static long bytesOf(Tensor tensor) {
        return tensor.numel() * tensor.dtype().itemSize();
    }

    @Override
    public void close() {
        files.forEach((tensor, file) -> {
            if (file.isOwn) {
                tensor.close();
            }
            file.mapping.close();
        });
        files.clear();
    }
}
