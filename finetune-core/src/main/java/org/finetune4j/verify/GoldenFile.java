package org.finetune4j.verify;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.InputFiles;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** A file of recorded inputs and results, with the {@code golden.json} beside it. */
final class GoldenFile implements AutoCloseable {

    /** The task of every sequence, [batch]. */
    private static final String TASKS = "task_ids";

    private final SafetensorsFile tensors;
    private final Set<String> zeroGradients = new HashSet<>();

    GoldenFile(Path file) {
        tensors = SafetensorsFile.open(file);
        Path json = file.resolveSibling("golden.json");
        if (Files.exists(json)) {
            InputFiles.json(json).path("zero_grads").forEach(name -> zeroGradients.add(name.asText()));
        }
    }

    List<String> names() {
        return tensors.names().stream().sorted().toList();
    }

    boolean has(String name) {
        return tensors.contains(name);
    }

    Tensor tensor(String name) {
        return tensors.tensor(name);
    }

    /** Whether this gradient is zero but for rounding. */
    boolean isZeroGradient(String parameter) {
        return zeroGradients.contains(parameter);
    }

    /** Integers, row by row. */
    int[][] rows(String name) {
        Tensor tensor = tensors.tensor(name);
        long[] values = tensor.toLongArray();
        int columns = (int) tensor.size(-1);
        int[][] rows = new int[values.length / columns][columns];
        for (int i = 0; i < values.length; i++) {
            rows[i / columns][i % columns] = Math.toIntExact(values[i]);
        }
        return rows;
    }

    /** The batch whose tensors' names start with {@code prefix}; without labels nothing is labelled. */
    Batch batch(String prefix) {
        int[][] ids = rows(prefix + "input_ids");
        int[] flat = flat(ids);
        int[] mask = optional(prefix + "attention_mask");
        int[] labels = holdsClasses(prefix) ? null : optional(prefix + "labels");
        byte[] attention = new byte[flat.length];
        for (int i = 0; i < flat.length; i++) {
            attention[i] = (byte) (mask == null ? 1 : mask[i]);
        }
        int[] none = new int[flat.length];
        Arrays.fill(none, Sample.IGNORE_INDEX);
        Batch batch = new Batch(
                ids.length,
                ids[0].length,
                flat,
                attention,
                labels == null ? none : labels,
                optional(prefix + "position_ids"));
        int[] tasks = tasks(prefix);
        return tasks == null
                ? batch
                : batch.withColumns(Map.of(
                        Sample.TASK,
                        Arrays.stream(tasks)
                                .mapToObj(task -> new float[] {task})
                                .toArray(float[][]::new)));
    }

    /** The inputs of a batch, with their token types where the file has some. */
    ModelInputs inputs(String prefix) {
        ModelInputs inputs = batch(prefix).modelInputs();
        int[] types = optional(prefix + "token_type_ids");
        return types == null ? inputs : inputs.withTokenTypeIds(types);
    }

    /** The task of every sequence that a prefix's results are of, or of all results, or null where the file does not say. */
    int @Nullable [] tasks(String prefix) {
        String own = prefix + TASKS;
        return has(own) ? flat(rows(own)) : optional(TASKS);
    }

    /** The class of every sequence of a batch, where its labels are classes and not tokens; else null. */
    int @Nullable [] classes(String prefix) {
        return holdsClasses(prefix) ? optional(prefix + "labels") : null;
    }

    private boolean holdsClasses(String prefix) {
        return has(prefix + "labels") && tensors.tensor(prefix + "labels").shape().length == 1;
    }

    private int @Nullable [] optional(String name) {
        return has(name) ? flat(rows(name)) : null;
    }

    private static int[] flat(int[][] rows) {
        return Arrays.stream(rows).flatMapToInt(Arrays::stream).toArray();
    }

    @Override
    public void close() {
        tensors.close();
    }
}
