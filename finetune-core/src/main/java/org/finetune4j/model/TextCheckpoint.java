package org.finetune4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.model.safetensors.CheckpointWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The language model inside of a checkpoint that reads images or sound too (Gemma 3 from 4B on, Mistral Small 3, LLaVA and
 * others whose config.json has a {@code text_config}), as a checkpoint of its own.
 */
public final class TextCheckpoint {

    /** The part of the configuration that describes the language model. */
    static final String TEXT_CONFIG = "text_config";

    private static final String LANGUAGE_MODEL = "ForCausalLM";

    /** What the language model's keys may be said by instead, for the whole. */
    private static final List<String> INHERITED =
            List.of("dtype", "torch_dtype", "bos_token_id", "eos_token_id", "pad_token_id");

    private final CheckpointReader reader;
    private final String backbone;

    private TextCheckpoint(CheckpointReader reader, Architecture architecture) {
        this.reader = reader;
        this.backbone = architecture.backbonePrefix();
    }

    /**
     * Writes the language model with its tokenizer. Weights stay in their type and are written one at a time.
     *
     * @param source directory of the whole model
     * @param target where to; a directory that is there already is replaced when everything is written
     * @return the language model's configuration
     * @throws UserErrorException when {@code source} is no such checkpoint, its weights are quantised, or its language model is
     *     none that is implemented
     */
    public static ModelConfig write(Path source, Path target) {
        ModelConfig whole = ModelConfig.load(source);
        ModelConfig text = textOf(whole);
        Architecture architecture = Architecture.of(text);
        try (CheckpointReader reader = CheckpointReader.open(source)) {
            TextCheckpoint checkpoint = new TextCheckpoint(reader, architecture);
            Map<String, Object> sizes = new LinkedHashMap<>();
            Map<String, String> stored = checkpoint.stored(names(architecture, text.recordingReads(sizes)));
            ModelConfig complete = complete(text, sizes, stored.containsKey("lm_head.weight"));
            AtomicFiles.writeDirectory(target, directory -> {
                CheckpointWriter.write(directory, checkpoint.entries(stored), CheckpointWriter.DEFAULT_MAX_SHARD_BYTES);
                complete.save(directory);
                ModelFiles.copy(ModelFiles.GENERATION, source, directory);
                ModelFiles.copy(ModelFiles.tokenizer(source), source, directory);
            });
            return complete;
        }
    }

    /** The language model's part of the configuration, as if it were one by itself. */
    private static ModelConfig textOf(ModelConfig whole) {
        if (!(whole.node(TEXT_CONFIG) instanceof ObjectNode part)) {
            throw new UserErrorException(whole.origin() + ": there is no '" + TEXT_CONFIG + "': architecture '"
                    + whole.architecture() + "' is a model of its own");
        }
        whole.refuse(Set.of(ModelConfig.QUANTIZATION));
        ObjectNode text = part.deepCopy();
        String type = text.path("model_type").asText();
        text.putArray("architectures").add(languageModel(whole, type));
        for (String key : INHERITED) {
            if (!text.hasNonNull(key) && whole.has(key)) {
                text.set(key, whole.node(key));
            }
        }
        return ModelConfig.parse(text.toString(), whole.origin() + ": " + TEXT_CONFIG);
    }

    /** The class whose name is the type's, but for capitals: {@code qwen3_moe} is {@code Qwen3MoeForCausalLM}. */
    private static String languageModel(ModelConfig whole, String type) {
        String letters = letters(type.replaceFirst("_text$", ""));
        return Architecture.known().stream()
                .flatMap(architecture -> architecture.names().stream())
                .filter(name -> name.endsWith(LANGUAGE_MODEL))
                .filter(name -> letters(name.substring(0, name.length() - LANGUAGE_MODEL.length()))
                        .equals(letters))
                .findFirst()
                .orElseThrow(() -> new UserErrorException(whole.origin() + ": the language model of '"
                        + whole.architecture() + "', model_type '" + type + "', is not implemented"));
    }

    private static String letters(String name) {
        return name.replace("_", "").toLowerCase(Locale.ROOT);
    }

    private static Set<String> names(Architecture architecture, ModelConfig config) {
        ShapesOnly shapes = new ShapesOnly(DType.BFLOAT16);
        try (TensorScope scope = TensorScope.open();
                DecoderModel network = architecture.build(config, Weights.of(shapes))) {
            Set<String> names = shapes.names();
            names.add(network.nameOf(network.outputLayer()) + ".weight"); // a tied one may be stored all the same
            return names;
        }
    }

    /** What the checkpoint calls the tensors of the language model; a tied output layer may be missing. */
    private Map<String, String> stored(Set<String> names) {
        Map<String, String> stored = new LinkedHashMap<>();
        for (String name : names) {
            Optional<String> found = spellings(name).filter(reader::contains).findFirst();
            if (found.isEmpty() && !name.equals("lm_head.weight")) {
                throw new UserErrorException(reader.directory() + ": the checkpoint has no tensor '" + name
                        + "' of a language model, looked for as "
                        + String.join(", ", spellings(name).toList()));
            }
            found.ifPresent(spelling -> stored.put(name, spelling));
        }
        return stored;
    }

    /** The names that versions of transformers have given it, the newest first. */
    private Stream<String> spellings(String name) {
        if (!name.startsWith(backbone)) {
            return Stream.of(name, "language_model." + name);
        }
        String within = name.substring(backbone.length());
        return Stream.of(
                backbone + "language_model." + within,
                backbone + "text_model." + within,
                "language_model." + name,
                name);
    }

    private List<Entry> entries(Map<String, String> stored) {
        List<Entry> entries = new ArrayList<>();
        stored.forEach((name, spelling) -> entries.add(
                new Entry(name, reader.dtype(spelling), reader.shape(spelling), () -> reader.tensor(spelling))));
        return entries;
    }

    /** Sizes that the class has by itself are written down, and whether the output layer is the embedding is as stored. */
    private static ModelConfig complete(ModelConfig text, Map<String, Object> reads, boolean hasOutput) {
        ObjectNode complete = Json.parseObject(text.toString(), text.origin());
        reads.forEach((key, value) -> {
            if (value instanceof Integer && !complete.has(key)) {
                complete.set(key, Json.of(value));
            }
        });
        @Nullable JsonNode tied = complete.get("tie_word_embeddings");
        if (tied == null || tied.asBoolean() == hasOutput) {
            complete.put("tie_word_embeddings", !hasOutput);
        }
        return ModelConfig.parse(complete.toString(), text.origin());
    }
}
