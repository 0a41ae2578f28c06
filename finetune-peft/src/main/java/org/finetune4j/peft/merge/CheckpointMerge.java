package org.finetune4j.peft.merge;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.LongFunction;
import org.finetune4j.OutputPath;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelComparison;
import org.finetune4j.model.ModelFiles;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.model.safetensors.CheckpointWriter;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Merges model directories, one tensor at a time and every tensor slice by slice: in memory is one merged tensor and a slice
 * of what it is made of, whatever the number and size of the models.
 */
public final class CheckpointMerge implements AutoCloseable {

    /** Slices that are read before their memory is given back. */
    private static final int SLICES_KEPT = 8;

    private final List<CheckpointReader> models = new ArrayList<>();
    private final @Nullable CheckpointReader base;
    private final MergeMethod method;
    private final MergeSettings settings;

    private CheckpointMerge(
            List<Path> models, @Nullable CheckpointReader base, MergeMethod method, MergeSettings settings) {
        this.base = base;
        this.method = method;
        this.settings = settings;
        models.forEach(model -> this.models.add(CheckpointReader.open(model)));
    }

    /**
     * Merges models into a new directory, in the dtypes of the first one and with its configuration and tokenizer.
     *
     * @param models their directories, the first of which gives the dtypes
     * @param base what they were fine-tuned from, or null for a method that does not need it
     * @param method how they are merged
     * @param settings how strongly
     * @param output the directory to write
     * @throws UserErrorException when the models do not have the same tensors, or the output is one of them
     */
    public static void write(
            List<Path> models, @Nullable Path base, MergeMethod method, MergeSettings settings, Path output) {
        if (models.isEmpty()) {
            throw new UserErrorException("there is nothing to merge: name some models");
        }
        method.check(models.size(), settings);
        if (method.needsBase() && base == null) {
            throw new UserErrorException(method.label() + " merges what the models add to their base: name it");
        }
        refuseOverwriting(models, base, output);
        for (Path other : models.subList(1, models.size())) {
            ModelComparison.requireSame(models.get(0), other);
        }
        if (base != null) {
            ModelComparison.requireSame(models.get(0), base);
        }
        CheckpointReader baseReader = base == null || !method.needsBase() ? null : CheckpointReader.open(base);
        try (CheckpointMerge merge = new CheckpointMerge(models, baseReader, method, settings);
                Autograd.Mode mode = Autograd.disabled()) {
            CheckpointWriter.write(
                    output, FiniteValues.checked(merge.entries()), CheckpointWriter.DEFAULT_MAX_SHARD_BYTES);
        }
        ModelFiles.copyAll(models.get(0), output);
    }

    private static void refuseOverwriting(List<Path> models, @Nullable Path base, Path output) {
        List<Path> read = new ArrayList<>(models);
        if (base != null) {
            read.add(base);
        }
        OutputPath.requireOther(output, read);
    }

    private List<Entry> entries() {
        CheckpointReader first = models.get(0);
        List<CheckpointReader> others = new ArrayList<>(models.subList(1, models.size()));
        if (base != null) {
            others.add(base);
        }
        others.forEach(other -> checkSame(first, other));
        return first.names().stream()
                .map(name -> new Entry(name, first.dtype(name), first.shape(name), () -> merged(name)))
                .toList();
    }

    private static void checkSame(CheckpointReader first, CheckpointReader other) {
        for (String name : first.names()) {
            if (!other.contains(name)) {
                throw new UserErrorException(other.directory() + ": no tensor '" + name + "', which "
                        + first.directory() + " has" + Suggestions.didYouMean(name, other.names()));
            }
            if (!Arrays.equals(first.shape(name), other.shape(name))) {
                throw new UserErrorException(other.directory() + ": tensor '" + name + "' has the shape "
                        + Arrays.toString(other.shape(name)) + ", in " + first.directory() + " it is "
                        + Arrays.toString(first.shape(name)));
            }
        }
        for (String name : other.names()) {
            if (!first.contains(name)) {
                throw new UserErrorException(
                        other.directory() + ": tensor '" + name + "' is not in " + first.directory());
            }
        }
    }

    private Tensor merged(String name) {
        DType dtype = models.get(0).dtype(name);
        if (!dtype.isFloatingPoint()) {
            return unchanged(name);
        }
        try (TensorScope scope = TensorScope.open()) {
            List<Tensor> tensors =
                    models.stream().map(model -> model.tensor(name)).toList();
            Ingredients tensor = new Ingredients(name, base == null ? null : base.tensor(name), tensors);
            LongFunction<Tensor> slices = method.prepare(tensor, settings);
            release(name);
            Tensor merged = Tensors.zeros(dtype, Device.CPU, tensor.numel());
            tensor.slices().forEach(begin -> {
                try (TensorScope slice = TensorScope.open()) {
                    merged.narrow(0, begin, tensor.length(begin)).copyInPlace(slices.apply(begin));
                }
                if (begin / Ingredients.SLICE % SLICES_KEPT == SLICES_KEPT - 1) {
                    release(name);
                }
            });
            release(name);
            return scope.keep(merged.reshape(models.get(0).shape(name)));
        }
    }

    private void release(String name) {
        models.forEach(model -> model.release(name));
        if (base != null) {
            base.release(name);
        }
    }

    /** Codes of a quantised weight cannot be averaged; constants are the same everywhere. */
    private Tensor unchanged(String name) {
        Tensor first = models.get(0).tensor(name);
        for (CheckpointReader model : models) {
            if (model.dtype(name) != first.dtype()
                    || first.eq(model.tensor(name))
                                    .logicalNot()
                                    .to(DType.INT64)
                                    .sum()
                                    .item()
                            != 0) {
                throw new UserErrorException(model.directory() + ": tensor '" + name + "' is "
                        + Objects.requireNonNull(first.dtype())
                        + " and differs: only models in a floating-point type can be merged");
            }
        }
        return first;
    }

    @Override
    public void close() {
        models.forEach(CheckpointReader::close);
        if (base != null) {
            base.close();
        }
    }
}
