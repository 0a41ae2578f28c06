package org.finetune4j.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.model.safetensors.CheckpointWriter;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Writes a model directory as {@code save_pretrained} does: the same names, tied weights once, sharded files with an index
 * above a size, configuration and tokenizer beside them. Tensors are converted and written one at a time.
 */
public final class ModelWriter {

    private static final String VOCABULARY = "vocab_size";

    private final CausalLM model;
    private @Nullable DType dtype;
    private boolean decompress;
    private long maxShardBytes = CheckpointWriter.DEFAULT_MAX_SHARD_BYTES;

    private ModelWriter(CausalLM model) {
        this.model = model;
        this.dtype = model.config().storageDType();
    }

    /**
     * Writes {@code model} in the dtype of its configuration.
     *
     * @param model whose weights they are
     * @return the writer
     */
    public static ModelWriter of(CausalLM model) {
        return new ModelWriter(model);
    }

    /**
     * Writes floating-point weights as {@code newDType}.
     *
     * @param newDType float32, bfloat16 or float16
     * @return this
     * @throws org.finetune4j.UserErrorException for any other type
     */
    public ModelWriter dtype(DType newDType) {
        dtype = newDType.requireForModels("the type to write");
        return this;
    }

    /**
     * Writes every weight in the dtype it has in memory: exact, so that training can go on from it.
     *
     * @return this writer
     */
    public ModelWriter exact() {
        dtype = null;
        return this;
    }

    /**
     * Writes compressed weights as plain ones, decompressing one at a time.
     *
     * @return this writer
     */
    public ModelWriter decompressed() {
        decompress = true;
        return this;
    }

    /**
     * Starts a new file when the present one would grow past this size.
     *
     * @param bytes of one file at most
     * @return this writer
     */
    public ModelWriter maxShardBytes(long bytes) {
        maxShardBytes = bytes;
        return this;
    }

    /**
     * Writes the directory; what was there under the same names is replaced only when everything is written.
     *
     * @param target the directory
     * @throws org.finetune4j.UserErrorException when it cannot be written
     * @throws IllegalStateException when the model is closed
     */
    public void write(Path target) {
        try (CausalLM.Entry entry = model.enter()) {
            writeAll(target);
        }
    }

    private void writeAll(Path target) {
        List<Entry> entries = new ArrayList<>();
        Map<String, Object> quantization = new LinkedHashMap<>();
        Map<String, List<Parameter>> stacks = stacks();
        model.network().namedParameters().forEach((name, parameter) -> {
            CompressedWeight compressed = compressed(parameter);
            CompressedCheckpointFormat format = format(compressed);
            StackedTensor place = stacked(name);
            List<Parameter> stack = place == null ? null : stacks.get(place.tensor());
            if (compressed != null && format != null) {
                format.tensors(compressed, name)
                        .forEach((part, tensor) -> entries.addAll(checked(Entry.of(part, tensor))));
                quantization.putAll(format.configuration(compressed));
            } else if (place == null || stack == null) {
                entries.add(entry(name, parameter));
            } else if (place.index() == 0) {
                entries.add(entry(place.tensor(), stack));
            }
        });
        CheckpointWriter.write(target, entries, maxShardBytes);
        describe(quantization).save(target);
        Path source = model.directory();
        if (source != null) {
            ModelFiles.copy(ModelFiles.GENERATION, source, target);
        }
        writeText(source, target);
    }

    private @Nullable StackedTensor stacked(String name) {
        return Architecture.of(model.config()).stacked(name);
    }

    /** What is written together, in its order. Where one of a tensor's parameters is compressed, all of them stand by themselves. */
    private Map<String, List<Parameter>> stacks() {
        Map<String, List<Parameter>> stacks = new LinkedHashMap<>();
        Set<String> apart = new HashSet<>();
        model.network().namedParameters().forEach((name, parameter) -> {
            StackedTensor place = stacked(name);
            if (place != null) {
                stacks.computeIfAbsent(place.tensor(), tensor -> new ArrayList<>())
                        .add(parameter);
                if (format(compressed(parameter)) != null) {
                    apart.add(place.tensor());
                }
            }
        });
        stacks.keySet().removeAll(apart);
        return stacks;
    }

    private @Nullable CompressedWeight compressed(Parameter parameter) {
        return decompress || parameter.slice() != null ? null : parameter.compressed();
    }

    private static @Nullable CompressedCheckpointFormat format(@Nullable CompressedWeight compressed) {
        return compressed == null
                ? null
                : CompressedCheckpointFormat.holding(compressed).orElse(null);
    }

    private ModelConfig describe(Map<String, Object> quantization) {
        ModelConfig config = dtype == null ? model.config() : model.config().withStorageDType(dtype);
        int rows = (int) model.network().inputEmbedding().count();
        if (config.positive(VOCABULARY, rows) != rows) {
            config = config.withVocabSize(rows);
        }
        boolean tiable = model.network().pooling() == null;
        ModelConfig described =
                tiable ? config.withTiedEmbeddings(model.network().isTied()) : config;
        return described.withQuantization(quantization);
    }

    /** The words that the model is used with: they may be those of an adapter that is merged. */
    private void writeText(@Nullable Path source, Path target) {
        if (model.hasTokenizer()) {
            model.tokenizer().copyFilesTo(target);
        } else if (source != null) {
            ModelFiles.copy(ModelFiles.tokenizer(source), source, target);
        }
        model.chatTemplate()
                .filter(template -> !ChatTemplate.source(target).equals(Optional.of(template.source())))
                .ifPresent(template -> template.save(target));
        model.adaptedEosTokenId().ifPresent(eos -> EndTokens.add(target, eos));
    }

    private Entry entry(String name, Parameter parameter) {
        DType stored = stored(parameter);
        return new Entry(name, stored, parameter.wholeShape(), () -> values(name, parameter, stored));
    }

    /** Several parameters in one tensor, [count, ...], in the most exact of their types. */
    private Entry entry(String name, List<Parameter> stack) {
        Parameter first = stack.get(0);
        DType stored = stack.stream()
                .map(this::stored)
                .max(Comparator.comparing(DType::itemSize))
                .orElseThrow();
        long[] own = first.wholeShape();
        long[] shape = new long[own.length + 1];
        shape[0] = stack.size();
        System.arraycopy(own, 0, shape, 1, own.length);
        return new Entry(
                name,
                stored,
                shape,
                () -> Tensors.stack(
                        stack.stream()
                                .map(parameter -> values(name, parameter, stored))
                                .toList(),
                        0));
    }

    private DType stored(Parameter parameter) {
        boolean stays = parameter.isConstant() || !parameter.dtype().isFloatingPoint();
        return dtype == null || stays ? parameter.dtype() : dtype;
    }

    private Tensor values(String name, Parameter parameter, DType stored) {
        Tensor value = parameter.whole(stored).detach();
        return dtype == null
                ? value
                : FiniteValues.requireConverted(
                        name, value, () -> parameter.whole(parameter.dtype()).detach());
    }

    /** A training's own checkpoint is written as it is. */
    private List<Entry> checked(Entry entry) {
        return dtype == null ? List.of(entry) : FiniteValues.checked(List.of(entry));
    }
}
