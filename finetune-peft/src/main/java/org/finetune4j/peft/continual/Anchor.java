package org.finetune4j.peft.continual;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Construction;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * Numbers for the trainable parameters of an adapter, by the keys of its file: what they were after a task, or how much each
 * matters to it. Owns its tensors.
 */
final class Anchor implements AutoCloseable {

    private final Map<String, Tensor> values;

    private Anchor(Map<String, Tensor> values) {
        this.values = values;
    }

    /** The trainable parameters of an adapter by their keys. */
    static Map<String, Parameter> trained(Adapter adapter) {
        Map<String, Parameter> trained = new LinkedHashMap<>(adapter.parametersByKey());
        trained.values().removeIf(parameter -> !parameter.isTrainable());
        return trained;
    }

    /**
     * Reads numbers for all trainable parameters of an adapter.
     *
     * @param file of safetensors
     * @param rank of the adapter that they are of where it has another one, else 0
     * @throws UserErrorException when it lacks one, or has it in another shape
     */
    static Anchor read(Path file, Adapter adapter, int rank) {
        try (SafetensorsFile stored = SafetensorsFile.open(file)) {
            return of(adapter, (key, parameter) -> {
                if (!stored.contains(key)) {
                    throw new UserErrorException(file + ": has no " + key + ": another adapter's");
                }
                Tensor tensor = stored.tensor(key);
                long[] expected = parameter.shape();
                if (rank > 0) {
                    expected[key.endsWith("lora_A.weight") ? 0 : 1] = rank;
                }
                if (!Arrays.equals(tensor.shape(), expected)) {
                    throw new UserErrorException(file + ": " + key + " has another shape than the adapter's");
                }
                return tensor.to(parameter.device()).to(DType.FLOAT32);
            });
        }
    }

    /** Gives the numbers of one parameter; the tensor may be the innermost scope's. */
    @FunctionalInterface
    interface Source {
        Tensor of(String key, Parameter parameter);
    }

    static Anchor of(Adapter adapter, Source source) {
        try (Construction construction = Construction.begin();
                Autograd.Mode mode = Autograd.disabled()) {
            Map<String, Tensor> values = new LinkedHashMap<>();
            trained(adapter).forEach((key, parameter) -> {
                try (TensorScope scope = TensorScope.open()) {
                    values.put(key, source.of(key, parameter).copy().unscoped());
                }
            });
            return construction.complete(new Anchor(values));
        }
    }

    Tensor get(String key) {
        Tensor value = values.get(key);
        if (value == null) {
            throw new IllegalStateException("no numbers for " + key);
        }
        return value;
    }

    Map<String, Tensor> values() {
        return values;
    }

    /** Writes the file beside its place and renames it. */
    void write(Path file) {
        List<Entry> entries = new ArrayList<>();
        values.forEach((key, tensor) -> {
            Supplier<Tensor> value = tensor::detach;
            entries.add(new Entry(key, tensor.dtype(), tensor.shape(), value));
        });
        AtomicFiles.write(file, partial -> SafetensorsWriter.write(partial, entries, Map.of()));
    }

    @Override
    public void close() {
        values.values().forEach(Tensor::close);
        values.clear();
    }
}
