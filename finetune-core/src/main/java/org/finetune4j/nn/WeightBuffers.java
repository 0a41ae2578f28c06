package org.finetune4j.nn;

import java.lang.ref.WeakReference;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * One layer's worth of decompressed weights, used by all layers of a model in turn: what is at the same place in two
 * layers shares the memory. A weight is decompressed once for a layer's forward pass and once for its backward pass, and
 * the memory is never given back to the system in between.
 *
 * <p>Autograd remembers the buffers, not what was in them. Whoever records a layer while buffers are in use must therefore
 * call {@link #restore} before its backward pass. Outside of {@link #use}, a compressed weight decompresses into memory of
 * its own, which is always right and takes more of it.
 *
 * <p>The buffers serve one thread at a time. A thread that records keeps them, because they are needed again in its backward
 * pass; whoever else runs a layer meanwhile decompresses into memory of its own.
 */
public final class WeightBuffers implements AutoCloseable {

    private static final ThreadLocal<@Nullable WeightBuffers> ACTIVE = new ThreadLocal<>();

    private record Slot(String path, DType dtype, List<Long> shape) {}

    private static final class Buffer {
        final Tensor memory;

        @Nullable
        CompressedWeight content;

        Buffer(Tensor memory) {
            this.memory = memory;
        }
    }

    private final Map<Slot, Buffer> buffers = new HashMap<>();
    private final Map<Module, Map<Parameter, String>> pathsByLayer = new IdentityHashMap<>();
    private @Nullable Module current;
    private @Nullable Thread user;
    private WeakReference<Thread> recorder = new WeakReference<>(null);

    /** The use of the buffers by one layer, which ends when closed. */
    public final class Use implements AutoCloseable {

        private final @Nullable WeightBuffers previous = ACTIVE.get();
        private final boolean nested = isUser();
        private final boolean granted = claim();
        private final @Nullable Module previousLayer;

        private Use(Module layer) {
            previousLayer = nested ? current : null;
            if (granted) {
                current = layer;
                ACTIVE.set(WeightBuffers.this);
            } else {
                ACTIVE.remove();
            }
        }

        @Override
        public void close() {
            if (granted) {
                current = previousLayer;
                if (!nested) {
                    release();
                }
            }
            if (previous == null) {
                ACTIVE.remove();
            } else {
                ACTIVE.set(previous);
            }
        }
    }

    /** Lets the compressed weights of {@code layer} decompress into the buffers, on this thread. */
    public Use use(Module layer) {
        return new Use(layer);
    }

    private synchronized boolean claim() {
        Thread thread = Thread.currentThread();
        Thread recording = recorder.get();
        if ((user != null && user != thread) || (recording != null && recording.isAlive() && recording != thread)) {
            return false;
        }
        user = thread;
        if (Autograd.isEnabled()) {
            recorder = new WeakReference<>(thread);
        }
        return true;
    }

    private synchronized void release() {
        user = null;
    }

    private synchronized boolean isUser() {
        return user == Thread.currentThread();
    }

    private synchronized boolean isRecorder() {
        return recorder.get() == Thread.currentThread();
    }

    /**
     * Puts the weights of {@code layer} back that another layer's have replaced since it ran, on the thread that ran it.
     *
     * @param layer that was recorded
     */
    public void restore(Module layer) {
        if (buffers.isEmpty() || !isRecorder()) {
            return;
        }
        pathsOf(layer)
                .forEach((parameter, path) -> buffers.forEach((slot, buffer) -> {
                    if (slot.path.equals(path) && fits(slot, parameter)) {
                        fill(buffer, parameter);
                    }
                }));
    }

    private static boolean fits(Slot slot, Parameter parameter) {
        return slot.shape.equals(Arrays.stream(parameter.shape()).boxed().toList());
    }

    private Map<Parameter, String> pathsOf(Module layer) {
        return pathsByLayer.computeIfAbsent(layer, key -> {
            Map<Parameter, String> compressed = new IdentityHashMap<>();
            key.namedParameters().forEach((path, parameter) -> {
                if (parameter.compressed() != null) {
                    compressed.put(parameter, path);
                }
            });
            return compressed;
        });
    }

    /** The buffer with the values of {@code parameter}, or null where it decompresses into memory of its own. */
    static @Nullable Tensor decompressed(Parameter parameter, DType dtype) {
        WeightBuffers active = ACTIVE.get();
        String path = active == null ? null : active.pathOf(parameter);
        return active == null || path == null ? null : active.get(path, parameter, dtype);
    }

    /** Where the current layer has the parameter: a method may have put another one there since the last time. */
    private @Nullable String pathOf(Parameter parameter) {
        Module layer = current;
        if (layer == null) {
            return null;
        }
        String path = pathsOf(layer).get(parameter);
        if (path == null) {
            pathsByLayer.remove(layer);
            path = pathsOf(layer).get(parameter);
        }
        return path;
    }

    private Tensor get(String path, Parameter parameter, DType dtype) {
        List<Long> shape = Arrays.stream(parameter.shape()).boxed().toList();
        Device device = parameter.device();
        Buffer buffer = buffers.computeIfAbsent(
                new Slot(path, dtype, shape),
                slot -> new Buffer(
                        Tensors.zeros(dtype, device, parameter.shape()).unscoped()));
        fill(buffer, parameter);
        return buffer.memory;
    }

    private static void fill(Buffer buffer, Parameter parameter) {
        CompressedWeight weight = parameter.compressed();
        if (weight != null && buffer.content != weight) {
            buffer.content = null;
            weight.decompressInto(buffer.memory);
            buffer.content = weight;
        }
    }

    /** What the buffers take, in bytes. */
    public long bytes() {
        return buffers.values().stream()
                .mapToLong(
                        buffer -> buffer.memory.numel() * buffer.memory.dtype().itemSize())
                .sum();
    }

    /** Frees the memory. */
    @Override
    public void close() {
        buffers.values().forEach(buffer -> buffer.memory.close());
        buffers.clear();
        pathsByLayer.clear();
    }
}
