package org.finetune4j.nn;

import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedDeque;
import org.finetune4j.tensor.Arena;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * One layer's worth of decompressed weights, used by all layers of a model in turn: what is at the same place in two
 * layers shares the memory. A weight is decompressed once for a layer's forward pass and once for its backward pass, and
 * the memory is never given back to the system in between. They go with the {@link SequenceContext} of one pass, so that passes
 * in several threads do not overwrite each other's.
 *
 * <p>Autograd remembers the buffers, not what was in them: before a layer's backward pass they are filled as they were. While
 * no layer runs, a compressed weight decompresses into memory of its own, which is always right and takes more of it.
 */
public final class WeightBuffers implements Residency, AutoCloseable {

    private record Slot(String path, DType dtype, List<Long> shape) {}

    private static final class Buffer {
        final Tensor memory;

        /** The same memory: a graph that has saved a weight must not see that another one was there meanwhile. */
        final Tensor uncounted;

        @Nullable
        CompressedWeight content;

        Buffer(Tensor memory) {
            this.memory = memory;
            this.uncounted = Autograd.uncounted(memory).unscoped();
        }

        void close() {
            uncounted.close();
            memory.close();
        }
    }

    private final Pool pool;
    private final Arena arena = new Arena();
    private final Map<Slot, Buffer> buffers = new HashMap<>();
    private final IdentityHashMap<Module, Map<Parameter, String>> pathsByLayer = new IdentityHashMap<>();
    private @Nullable Module current;

    private WeightBuffers(Pool pool) {
        this.pool = pool;
    }

    /** The buffers of a model, as many as passes have run at the same time. */
    public static final class Pool implements AutoCloseable {

        private final Deque<WeightBuffers> idle = new ConcurrentLinkedDeque<>();
        private volatile boolean closed;

        /**
         * Takes buffers for one pass.
         *
         * @return to be closed at the end of the pass, which gives them back
         */
        public WeightBuffers take() {
            WeightBuffers waiting = idle.poll();
            return waiting == null ? new WeightBuffers(this) : waiting;
        }

        /**
         * What the buffers take that no pass uses now.
         *
         * @return bytes
         */
        public long bytes() {
            return idle.stream().mapToLong(WeightBuffers::bytes).sum();
        }

        private void giveBack(WeightBuffers used) {
            if (closed) {
                used.free();
            } else {
                idle.push(used);
            }
        }

        /** Frees the memory. */
        @Override
        public void close() {
            closed = true;
            idle.forEach(WeightBuffers::free);
            idle.clear();
        }
    }

    /** Lets the compressed weights of a layer decompress into the buffers. */
    @Override
    public void beforeForward(Module segment) {
        if (segment instanceof DecoderLayer) {
            current = segment;
        }
    }

    @Override
    public void afterForward(Module segment) {
        if (segment instanceof DecoderLayer) {
            current = null;
        }
    }

    /** Puts the weights of a layer back that another layer's have replaced since it ran. */
    @Override
    public void beforeBackward(Module layer) {
        if (!(layer instanceof DecoderLayer)) {
            return;
        }
        current = layer;
        if (buffers.isEmpty()) {
            return;
        }
        pathsOf(layer)
                .forEach((parameter, path) -> buffers.forEach((slot, buffer) -> {
                    if (slot.path.equals(path) && fits(slot, parameter)) {
                        fill(buffer, parameter);
                    }
                }));
    }

    @Override
    public void afterBackward(Module segment) {
        afterForward(segment);
    }

    /**
     * {@return memory for what the pass keeps and needs on its way, which stays for the passes after it}
     */
    public Arena arena() {
        return arena;
    }

    private static boolean fits(Slot slot, Parameter parameter) {
        return slot.shape.equals(Arrays.stream(parameter.shape()).boxed().toList());
    }

    private Map<Parameter, String> pathsOf(Module layer) {
        return pathsByLayer.computeIfAbsent(layer, key -> {
            IdentityHashMap<Parameter, String> compressed = new IdentityHashMap<>();
            key.namedParameters().forEach((path, parameter) -> {
                if (parameter.compressed() != null) {
                    compressed.put(parameter, path);
                }
            });
            return compressed;
        });
    }

    /** The buffer with the values of {@code parameter}, or null where it decompresses into memory of its own. */
    @Nullable
    Tensor decompressed(Parameter parameter, DType dtype) {
        String path = pathOf(parameter);
        return path == null ? null : get(path, parameter, dtype);
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
            weight.decompressInto(buffer.uncounted);
            buffer.content = weight;
        }
    }

    private long bytes() {
        return buffers.values().stream()
                .mapToLong(
                        buffer -> buffer.memory.numel() * buffer.memory.dtype().itemSize())
                .sum();
    }

    /** Gives the buffers back for another pass. */
    @Override
    public void close() {
        pool.giveBack(this);
    }

    private void free() {
        buffers.values().forEach(Buffer::close);
        buffers.clear();
        pathsByLayer.clear();
        arena.close();
    }
}
