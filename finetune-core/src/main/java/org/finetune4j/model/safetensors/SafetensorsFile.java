package org.finetune4j.model.safetensors;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.MappedMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * A safetensors file, mapped into memory. Its tensors share the mapping, so reading one costs nothing until its pages are
 * touched; they stay valid after the file is closed. They are read-only by convention: writing to one changes only this
 * process's copy of the page.
 */
public final class SafetensorsFile implements AutoCloseable {

    private final Path path;
    private final SafetensorsHeader header;
    private final MappedFile stored;
    private @Nullable Tensor mapping;

    private SafetensorsFile(Path path, SafetensorsHeader header, MappedFile stored) {
        this.path = path;
        this.header = header;
        this.stored = stored;
    }

    /**
     * Opens and checks a file.
     *
     * @param path of the file
     * @return the open file, which the caller closes
     * @throws UserErrorException when it is missing, truncated or not a safetensors file
     */
    public static SafetensorsFile open(Path path) {
        if (!Files.isRegularFile(path)) {
            throw new UserErrorException("no file " + path);
        }
        MappedFile stored = MappedFile.of(path);
        return new SafetensorsFile(path, SafetensorsHeader.read(path), stored);
    }

    /** {@return the names of all tensors, in the order of the file} */
    public List<String> names() {
        return List.copyOf(header.tensors().keySet());
    }

    /**
     * {@return whether there is a tensor of this name}
     *
     * @param name of the tensor
     */
    public boolean contains(String name) {
        return header.tensors().containsKey(name);
    }

    /** {@return the texts in the header's {@code __metadata__}} */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /**
     * Dtype, shape and place of a tensor.
     *
     * @param name of the tensor
     * @return what the header says
     * @throws UserErrorException when there is none of this name, with the nearest one that is there
     */
    public TensorInfo info(String name) {
        TensorInfo info = header.tensors().get(name);
        if (info == null) {
            throw new UserErrorException(path + ": no tensor '" + name + "'"
                    + Suggestions.didYouMean(name, header.tensors().keySet()));
        }
        return info;
    }

    /**
     * The file as it was opened: whoever reads its tensors later looks first whether it still has its length.
     *
     * @return its length and what the system knows it by
     */
    public MappedFile stored() {
        return stored;
    }

    /**
     * The tensor of this name; it shares the mapping unless it is not aligned to its item size, or empty.
     *
     * @param name as in the file
     * @return the tensor, which belongs to the scope
     * @throws UserErrorException when there is none, or the file has another length than when it was opened
     */
    public Tensor tensor(String name) {
        TensorInfo info = info(name);
        stored.requireUnchanged();
        long length = info.end() - info.begin();
        if (length == 0) {
            return Tensors.zeros(info.dtype(), Device.CPU, info.shape());
        }
        try (TensorScope scope = TensorScope.open()) {
            long begin = header.dataStart() + info.begin();
            Tensor bytes = mapping().narrow(0, begin, length);
            boolean aligned = begin % info.dtype().itemSize() == 0;
            Tensor values = (aligned ? bytes : bytes.copy()).viewAs(info.dtype());
            return scope.keep(values.reshape(info.shape()));
        }
    }

    /**
     * Gives the memory back that reading the tensor of this name took; it is read again when it is used again.
     *
     * @param name of the tensor
     */
    public void release(String name) {
        TensorInfo info = info(name);
        if (mapping != null) {
            MappedMemory.release(mapping, header.dataStart() + info.begin(), header.dataStart() + info.end());
        }
    }

    private Tensor mapping() {
        if (mapping == null) {
            long end = header.dataStart()
                    + header.tensors().values().stream()
                            .mapToLong(TensorInfo::end)
                            .max()
                            .orElse(0);
            mapping = Tensors.mapped(path, end).unscoped();
        }
        return mapping;
    }

    /** Lets go of this side's hold on the mapping. */
    @Override
    public void close() {
        if (mapping != null) {
            mapping.close();
            mapping = null;
        }
    }
}
