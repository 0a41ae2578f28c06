package org.finetune4j.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Residency;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.arguments.OffloadOptions;
import org.finetune4j.train.offload.PagedMemory;
import org.finetune4j.train.offload.StateMemory;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.jspecify.annotations.Nullable;

/**
 * What a run keeps in files. Weights are in the same memory for the whole run, mapped from a file: a segment that is about to run,
 * and an optimizer that updates them, say so, and pages of others give way. They stay there after the run, for as long as the model
 * has them.
 */
final class Offload implements AutoCloseable {

    /** What is smaller than a page would take one of a file and one of memory. */
    private static final long PAGE = 4096;

    private final @Nullable PagedMemory states;
    private final @Nullable PagedMemory weights;
    private final StateMemory inMemory = StateMemory.resident();

    private Offload(@Nullable PagedMemory states, @Nullable PagedMemory weights) {
        this.states = states;
        this.weights = weights;
    }

    /**
     * Moves weights to their files, when the ranks have shared them out.
     *
     * @param options where to
     * @param parameters all of the model and of the method on it
     * @return what pages them
     * @throws UserErrorException when the parameters are not on the CPU, or a disk has no room for them
     */
    static Offload of(OffloadOptions options, Collection<Parameter> parameters) {
        Path optimizer = options.optimizer();
        Path directory = options.parameters();
        if (optimizer != null || directory != null) {
            requireCpu(optimizer != null ? "offload_optimizer" : "offload_param", parameters);
        }
        PagedMemory ofWeights = directory == null ? null : new PagedMemory(directory, options.residentBytes());
        Offload offload =
                new Offload(optimizer == null ? null : new PagedMemory(optimizer, options.residentBytes()), ofWeights);
        if (ofWeights != null) {
            Set<Parameter> all = Collections.newSetFromMap(new IdentityHashMap<>());
            all.addAll(parameters);
            all.forEach(parameter -> move(parameter, ofWeights));
        }
        return offload;
    }

    private static void requireCpu(String key, Collection<Parameter> parameters) {
        for (Parameter parameter : parameters) {
            if (!parameter.device().equals(Device.CPU)) {
                throw new UserErrorException("'" + key + "': '" + parameter.name() + "' is on " + parameter.device()
                        + ", and files are for what a CPU trains: leave it out, or choose optim: paged_adamw_8bit");
            }
        }
    }

    private static void move(Parameter parameter, PagedMemory files) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            if (parameter.form().memory().stream().anyMatch(Offload::isLarge)) {
                parameter.form().moveTo(values -> isLarge(values) ? files.copy(values) : values.copy());
            }
            files.touch(parameter.form().memory());
        }
    }

    private static boolean isLarge(Tensor tensor) {
        return tensor.numel() * tensor.dtype().itemSize() >= PAGE;
    }

    /**
     * Has an optimizer keep its states here, before its first step.
     *
     * @param optimizer of the run
     * @param provider that made it
     * @param asked the settings
     * @throws UserErrorException when it keeps states in files by itself, and is asked to here
     */
    void attach(Optimizer optimizer, OptimizerProvider provider, OptimizerOptions asked) {
        if (provider.stateDirectory(asked).isPresent()) {
            if (states != null) {
                throw new UserErrorException("optim " + asked.name()
                        + " keeps its states in files by itself: leave offload_optimizer out, optim_args: {directory: ...}"
                        + " says where they go");
            }
        } else if (states != null || weights != null) {
            optimizer.keepStatesIn(new Both());
        }
    }

    /** {@return what is to be done around every segment, outside of what ranks do} */
    List<Residency> residencies() {
        PagedMemory files = weights;
        return files == null ? List.of() : List.of(new Segments(files));
    }

    /** {@return bytes of weights and states in files} */
    long bytes() {
        return (states == null ? 0 : states.bytes()) + (weights == null ? 0 : weights.bytes());
    }

    /** States where they belong, and what is used of states and weights. */
    private final class Both implements StateMemory {

        @Override
        public Tensor zeros(DType dtype, long... shape) {
            long bytes = dtype.itemSize();
            for (long length : shape) {
                bytes *= length;
            }
            return (states == null || bytes < PAGE ? inMemory : states).zeros(dtype, shape);
        }

        @Override
        public void touch(List<Tensor> tensors) {
            if (states != null) {
                states.touch(tensors);
            }
            if (weights != null) {
                weights.touch(tensors);
            }
        }

        @Override
        public void close() {
            Offload.this.close();
        }
    }

    /** Has a segment's weights in memory before it runs. */
    private record Segments(PagedMemory files) implements Residency {

        @Override
        public void beforeForward(Module segment) {
            List<Tensor> used = new ArrayList<>();
            segment.allParameters()
                    .forEach(parameter -> used.addAll(parameter.form().memory()));
            files.touch(used);
        }

        @Override
        public void beforeBackward(Module segment) {
            beforeForward(segment);
        }
    }

    @Override
    public void close() {
        inMemory.close();
        if (states != null) {
            states.close();
        }
        if (weights != null) {
            weights.close();
        }
    }
}
