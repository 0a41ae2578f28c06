package org.finetune4j.peft.delta;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.finetune4j.OutputPath;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelComparison;
import org.finetune4j.model.ModelFiles;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.model.safetensors.CheckpointWriter;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * The delta of {@code theta_new = theta_base + delta} in a file of its own: what changed between a base and its fine-tune,
 * dense, of low rank or sparse, with a hash of the base that it belongs to.
 *
 * <p>The file is a safetensors file. For a tensor {@code NAME} it holds {@code NAME.dense} in the tensor's shape, or {@code
 * NAME.low_rank_b} [rows, rank] and {@code NAME.low_rank_a} [rank, columns] to be multiplied, or {@code NAME.sparse_index}
 * (int64, places in the flattened tensor) and {@code NAME.sparse_value}, all in float32 (float64 for a float64 model). A
 * tensor that did not change is missing. Metadata: {@code format}, {@code version}, {@code form}, {@code base_sha256} and
 * {@code dtype}, the type of the fine-tuned model.
 */
public final class Delta {

    private static final String FORMAT = "finetune4j.delta";
    private static final String VERSION = "1";
    private static final String BASE = "base_sha256";
    private static final String DTYPE = "dtype";

    private Delta() {}

    /**
     * What a delta keeps.
     *
     * @param tensors of the model
     * @param changed how many of them changed
     * @param numbers that the file holds
     * @param relativeError norm of what is left out by the norm of the whole change; 0 where nothing is
     */
    public record Summary(int tensors, int changed, long numbers, double relativeError) {}

    /**
     * Writes what changed from a base to a model.
     *
     * @param base directory of the base
     * @param model directory of the fine-tuned model
     * @param form what is kept of the change
     * @param output the file to write
     * @return what the file holds
     * @throws UserErrorException when the two do not have the same tensors, or a tensor is not in a floating-point type and
     *     changed
     */
    public static Summary diff(Path base, Path model, DeltaForm form, Path output) {
        ModelComparison.requireSame(base, model);
        Path folder = output.toAbsolutePath().getParent();
        if (folder != null && Files.exists(output)) {
            OutputPath.requireOther(folder, List.of(base, model)); // a file of theirs would be gone
        }
        try (CheckpointReader before = CheckpointReader.open(base);
                CheckpointReader after = CheckpointReader.open(model);
                Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            checkSame(before, after);
            Changes changes = new Changes(before, after, form);
            before.names().forEach(changes::add);
            Map<String, String> metadata = new LinkedHashMap<>();
            metadata.put("format", FORMAT);
            metadata.put("version", VERSION);
            metadata.put("form", form.describe());
            metadata.put(BASE, WeightsHash.of(before));
            metadata.put(DTYPE, dtype(after).toString());
            SafetensorsWriter.write(output, FiniteValues.checked(changes.entries()), metadata);
            return changes.summary();
        }
    }

    private static void checkSame(CheckpointReader before, CheckpointReader after) {
        Set<String> names = new TreeSet<>(before.names());
        names.addAll(after.names());
        for (String name : names) {
            if (!before.contains(name) || !after.contains(name)) {
                throw new UserErrorException((before.contains(name) ? after : before).directory() + ": no tensor '"
                        + name + "': a delta needs a base and a model with the same tensors");
            }
            if (!Arrays.equals(before.shape(name), after.shape(name))) {
                throw new UserErrorException(after.directory() + ": tensor '" + name + "' has the shape "
                        + Arrays.toString(after.shape(name)) + ", the base's has "
                        + Arrays.toString(before.shape(name)));
            }
        }
    }

    /** The type of the model's largest tensor. */
    private static DType dtype(CheckpointReader model) {
        return model.names().stream()
                .max((a, b) -> Long.compare(numel(model.shape(a)), numel(model.shape(b))))
                .map(model::dtype)
                .orElse(DType.FLOAT32);
    }

    private static long numel(long... shape) {
        return Arrays.stream(shape).reduce(1, (a, b) -> a * b);
    }

    /**
     * Puts a delta onto its base and writes the model, in the type of the one that the delta was taken from and with the
     * base's configuration and tokenizer.
     *
     * @param base directory of the base
     * @param delta the file
     * @param scale what the delta is multiplied by; 1 gives the fine-tuned model, -1 goes the other way
     * @param output directory of the model to write
     * @throws UserErrorException when the file is no delta, or was taken from another base
     */
    public static void apply(Path base, Path delta, double scale, Path output) {
        if (!(Math.abs(scale) <= Float.MAX_VALUE)) {
            throw new UserErrorException("scale is " + scale + ", expected a number that float32 can hold");
        }
        OutputPath.requireOther(output, List.of(base));
        try (SafetensorsFile file = SafetensorsFile.open(delta);
                CheckpointReader before = CheckpointReader.open(base);
                Autograd.Mode mode = Autograd.disabled()) {
            checkBelongs(file, delta, before);
            Set<String> changed = new TreeSet<>();
            file.names().forEach(key -> changed.add(TensorDelta.tensorOf(key)));
            DType dtype = DType.parseStored(
                    delta + ": '" + DTYPE + "'", file.metadata().getOrDefault(DTYPE, "float32"));
            List<Entry> entries = new ArrayList<>();
            for (String name : before.names()) {
                DType stored = before.dtype(name).isFloatingPoint() ? dtype : before.dtype(name);
                entries.add(new Entry(name, stored, before.shape(name), () -> {
                    Tensor tensor = before.tensor(name);
                    return changed.contains(name)
                            ? FiniteValues.convert(name, changed(file, delta, name, tensor, scale), stored)
                            : FiniteValues.convert(name, tensor, stored);
                }));
            }
            CheckpointWriter.write(output, FiniteValues.checked(entries), CheckpointWriter.DEFAULT_MAX_SHARD_BYTES);
        }
        ModelFiles.copyAll(base, output);
    }

    private static Tensor changed(SafetensorsFile file, Path path, String name, Tensor before, double scale) {
        Tensor change = TensorDelta.read(file, path.toString(), name, before.shape());
        return before.to(change.dtype()).addScaled(change, scale);
    }

    private static void checkBelongs(SafetensorsFile file, Path delta, CheckpointReader base) {
        Map<String, String> metadata = file.metadata();
        if (!FORMAT.equals(metadata.get("format"))) {
            throw new UserErrorException(delta + ": no delta: expected the metadata 'format' " + FORMAT);
        }
        if (!VERSION.equals(metadata.get("version"))) {
            throw new UserErrorException(
                    delta + ": a delta of version " + metadata.get("version") + ", expected " + VERSION);
        }
        String actual = WeightsHash.of(base);
        String expected = metadata.getOrDefault(BASE, "missing");
        if (!expected.equals(actual)) {
            throw new UserErrorException(delta + ": taken from another base: its base_sha256 is " + expected + ", "
                    + base.directory() + " has " + actual);
        }
        for (String key : file.names()) {
            if (!base.contains(TensorDelta.tensorOf(key))) {
                throw new UserErrorException(delta + ": tensor '" + key + "' fits nothing in the base");
            }
        }
    }
}
