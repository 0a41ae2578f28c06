package org.finetune4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * A model's {@code config.json}, in the spelling of transformers 4 or 5. It keeps every key, so that what is written again
 * says what was read; an architecture asks it for what it needs and refuses by name what it does not implement.
 */
public final class ModelConfig {

    /** The file's name in a model directory. */
    public static final String FILE = "config.json";

    /** The key that says how a checkpoint's weights are quantised. */
    public static final String QUANTIZATION = "quantization_config";

    /** How the names of classes that classify sequences end. */
    static final String SEQUENCE_CLASSIFIER = "ForSequenceClassification";

    /** No vocabulary, width or context is larger; products of two fit into 64 bits. */
    private static final int LARGEST = 1 << 28;

    private final ObjectNode root;
    private final String origin;

    private final @Nullable Map<String, Object> reads;

    private ModelConfig(ObjectNode root, String origin) {
        this(root, origin, null);
    }

    private ModelConfig(ObjectNode root, String origin, @Nullable Map<String, Object> reads) {
        this.root = root;
        this.origin = origin;
        this.reads = reads;
    }

    /** The same configuration, which notes what it is asked for and what it answers, defaults included. */
    ModelConfig recordingReads(Map<String, Object> into) {
        return new ModelConfig(root, origin, into);
    }

    private <T> T read(String key, T value) {
        if (reads != null) {
            reads.put(key, value);
        }
        return value;
    }

    /** The keys that the file has, in its order. */
    List<String> keys() {
        List<String> keys = new ArrayList<>();
        root.fieldNames().forEachRemaining(keys::add);
        return keys;
    }

    /**
     * Reads the configuration of a model directory.
     *
     * @param directory of the model
     * @return the configuration
     * @throws UserErrorException when the directory or the file is missing or is not JSON
     */
    public static ModelConfig load(Path directory) {
        requireDirectory(directory);
        Path file = directory.resolve(FILE);
        if (!Files.exists(file) && Files.exists(directory.resolve(AdapterDirectory.CONFIG))) {
            throw new UserErrorException(directory + " is an adapter: its base is the model, and this goes onto it"
                    + " (--model BASE --adapter " + directory + "), or is merged into it before");
        }
        return new ModelConfig(InputFiles.jsonObject(file), file.toString());
    }

    /** Says that a directory is missing, before libtorch is loaded for it. */
    static void requireDirectory(Path directory) {
        if (!Files.isDirectory(directory)) {
            throw new UserErrorException("no model directory " + directory);
        }
    }

    /**
     * Reads a configuration from JSON text; {@code origin} is what messages call it.
     *
     * @param json the text of a config.json
     * @param origin what messages call it
     * @return the configuration
     */
    public static ModelConfig parse(String json, String origin) {
        return new ModelConfig(Json.parseObject(json, origin), origin);
    }

    /**
     * Writes the configuration as transformers lays it out: sorted as it was read, two spaces of indentation.
     *
     * @param directory of the model
     */
    public void save(Path directory) {
        AtomicFiles.writeString(directory.resolve(FILE), root.toPrettyString() + "\n");
    }

    /** {@return what messages call this configuration: usually the path of its file} */
    public String origin() {
        return origin;
    }

    /** {@return the class of transformers that the checkpoint was saved from, such as {@code LlamaForCausalLM}} */
    public String architecture() {
        JsonNode names = root.path("architectures");
        if (!names.isArray() || names.isEmpty() || !names.get(0).isTextual()) {
            throw new UserErrorException(
                    origin + ": key 'architectures' must name the model's class, such as" + " [\"LlamaForCausalLM\"]");
        }
        return names.get(0).asText();
    }

    /**
     * The element type that the checkpoint is stored in.
     *
     * @return a type with fractions; float32 where the file does not say
     * @throws UserErrorException when the file says another one, or one that is not known
     */
    public DType storageDType() {
        String name = text("dtype", text("torch_dtype", "float32"));
        return DType.parseStored(origin + ": key 'dtype'", name);
    }

    /**
     * {@return a copy that says the weights are stored as {@code dtype}}
     *
     * @param dtype of the stored weights
     */
    public ModelConfig withStorageDType(DType dtype) {
        ObjectNode copy = root.deepCopy();
        copy.set(copy.has("torch_dtype") ? "torch_dtype" : "dtype", TextNode.valueOf(dtype.torchName()));
        return new ModelConfig(copy, origin, reads);
    }

    /** A copy of another architecture, with this head. */
    ModelConfig withHead(String architecture, ClassifierHead head) {
        ObjectNode copy = root.deepCopy();
        copy.putArray("architectures").add(architecture);
        copy.remove("num_labels");
        ObjectNode names = copy.putObject("id2label");
        ObjectNode numbers = copy.putObject("label2id");
        for (int i = 0; i < head.labels().size(); i++) {
            names.put(String.valueOf(i), head.labels().get(i));
            numbers.put(head.labels().get(i), i);
        }
        copy.remove(ProblemType.KEY);
        if (head.problemType() != null) {
            copy.put(ProblemType.KEY, head.problemType());
        }
        return new ModelConfig(copy, origin, reads);
    }

    /** A copy that names the padding's token. */
    ModelConfig withPadTokenId(int id) {
        ObjectNode copy = root.deepCopy();
        copy.put("pad_token_id", id);
        return new ModelConfig(copy, origin, reads);
    }

    /** A copy that says how many rows the embedding has. */
    ModelConfig withVocabSize(int rows) {
        ObjectNode copy = root.deepCopy();
        copy.put("vocab_size", rows);
        return new ModelConfig(copy, origin, reads);
    }

    /**
     * {@return a copy that says whether the output layer shares the embedding's weight}
     *
     * @param tied whether it does
     */
    public ModelConfig withTiedEmbeddings(boolean tied) {
        ObjectNode copy = root.deepCopy();
        copy.put("tie_word_embeddings", tied);
        return new ModelConfig(copy, origin, reads);
    }

    /**
     * {@return a copy that says how the weights are quantised, or, with an empty map, that they are not}
     *
     * @param quantization the new {@code quantization_config}
     */
    public ModelConfig withQuantization(Map<String, ?> quantization) {
        ObjectNode copy = root.deepCopy();
        if (quantization.isEmpty()) {
            copy.remove(QUANTIZATION);
        } else {
            copy.set(QUANTIZATION, Json.of(quantization));
        }
        return new ModelConfig(copy, origin, reads);
    }

    /**
     * {@return a copy with other values}
     *
     * @param values by key
     */
    public ModelConfig with(Map<String, ? extends Number> values) {
        ObjectNode copy = root.deepCopy();
        values.forEach((key, value) -> copy.set(key, Json.of(value)));
        return new ModelConfig(copy, origin, reads);
    }

    /**
     * {@return a copy in which keys that are missing have the values that the architecture's class of transformers gives
     * them; a key that is there stays, null too}
     *
     * @param defaults values by key
     */
    public ModelConfig withDefaults(Map<String, ?> defaults) {
        ObjectNode copy = root.deepCopy();
        defaults.forEach((key, value) -> copy.putIfAbsent(key, Json.of(value)));
        return new ModelConfig(copy, origin, reads);
    }

    /**
     * {@return a copy in which an object that is missing or null is what the architecture's class of transformers makes of it}
     *
     * @param key of the object
     * @param formerKey of the same in transformers 4, which then stands for it
     * @param value the object's values by key
     */
    public ModelConfig withDefaultObject(String key, String formerKey, Map<String, Object> value) {
        if (has(key) || has(formerKey)) {
            return this;
        }
        ObjectNode copy = root.deepCopy();
        copy.set(key, Json.of(value));
        return new ModelConfig(copy, origin, reads);
    }

    /** {@return how many labels a classifier tells apart: {@code id2label}, else {@code num_labels}, else 2} */
    public int labels() {
        JsonNode labels = root.path("id2label");
        return labels.isObject() && !labels.isEmpty() ? labels.size() : positive("num_labels", 2);
    }

    /** {@return the names of a classifier's labels in their order, {@code LABEL_0} and so on where it has none} */
    public List<String> labelNames() {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < labels(); i++) {
            names.add(root.path("id2label").path(String.valueOf(i)).asText("LABEL_" + i));
        }
        return names;
    }

    /** {@return the padding's token, or null where the configuration names none} */
    public @Nullable Integer padTokenId() {
        JsonNode id = root.path("pad_token_id");
        return id.isInt() && id.asInt() >= 0 ? id.asInt() : null;
    }

    /**
     * {@return whether the head classifies sequences: the architecture's name ends in {@code ForSequenceClassification}}
     */
    public boolean isSequenceClassifier() {
        return architecture().endsWith(SEQUENCE_CLASSIFIER);
    }

    /**
     * {@return whether the key is there and not null}
     *
     * @param key in config.json
     */
    public boolean has(String key) {
        return root.hasNonNull(key);
    }

    /**
     * {@return the node under {@code key}, for structures that only one architecture knows; a missing node where there is
     * none}
     *
     * @param key in config.json
     */
    public JsonNode node(String key) {
        JsonNode node = root.path(key);
        return node.isMissingNode() || node.isNull() ? node : read(key, node);
    }

    /**
     * The size of a head: {@code head_dim} where it is said, else what the heads divide {@code hidden} into.
     *
     * @param hiddenKey the key of {@code hidden}
     * @param headsKey the key of the number of heads
     * @return the size
     * @throws UserErrorException when neither works
     */
    public int headDim(String hiddenKey, String headsKey) {
        int heads = positive(headsKey);
        int hidden = positive(hiddenKey);
        if (!has("head_dim") && hidden % heads != 0) {
            throw invalid(hiddenKey, "a multiple of " + headsKey + " " + heads);
        }
        return positive("head_dim", hidden / heads);
    }

    /**
     * A whole number that must be there and be positive.
     *
     * @param key in config.json
     * @return the number
     */
    public int positive(String key) {
        JsonNode node = root.path(key);
        if (!node.isInt() || node.asInt() <= 0 || node.asInt() > LARGEST) {
            throw invalid(key, "a positive whole number" + (node.isIntegralNumber() ? " up to " + LARGEST : ""));
        }
        return read(key, node.asInt());
    }

    /**
     * A positive whole number, or {@code fallback} where the key is missing or null.
     *
     * @param key in config.json
     * @param fallback where the key is missing or null
     * @return the number
     */
    public int positive(String key, int fallback) {
        return has(key) ? positive(key) : read(key, fallback);
    }

    /**
     * {@return a whole number that may be 0, or {@code fallback} where the key is missing or null}
     *
     * @param key in config.json
     * @param fallback where the key is missing or null
     */
    public int count(String key, int fallback) {
        JsonNode node = root.path(key);
        if (has(key) && (!node.isInt() || node.asInt() < 0)) {
            throw invalid(key, "a whole number, 0 or more");
        }
        return read(key, has(key) ? node.asInt() : fallback);
    }

    /**
     * {@return a number, or {@code fallback} where the key is missing or null}
     *
     * @param key in config.json
     * @param fallback where the key is missing or null
     */
    public double number(String key, double fallback) {
        if (!has(key)) {
            return read(key, fallback);
        }
        if (!root.path(key).isNumber() || !Settings.isCalculable(root.path(key).asDouble())) {
            throw invalid(key, "a number that a float32 can hold");
        }
        return read(key, root.path(key).asDouble());
    }

    /**
     * {@return a truth value, or {@code fallback} where the key is missing or null}
     *
     * @param key in config.json
     * @param fallback where the key is missing or null
     */
    public boolean flag(String key, boolean fallback) {
        if (!has(key)) {
            return read(key, fallback);
        }
        if (!root.path(key).isBoolean()) {
            throw invalid(key, "true or false");
        }
        return read(key, root.path(key).asBoolean());
    }

    /**
     * {@return a text, or {@code fallback} where the key is missing or null}
     *
     * @param key in config.json
     * @param fallback where the key is missing or null
     */
    public String text(String key, String fallback) {
        if (!has(key)) {
            return read(key, fallback);
        }
        if (!root.path(key).isTextual()) {
            throw invalid(key, "a text");
        }
        return read(key, root.path(key).asText());
    }

    /**
     * Refuses a flag that asks for something this architecture does not implement.
     *
     * @param key in config.json
     * @param implemented the only value that can be honoured
     */
    public void require(String key, boolean implemented) {
        if (flag(key, implemented) != implemented) {
            throw new UserErrorException(
                    origin + ": '" + key + "': " + !implemented + " is not implemented for " + architecture());
        }
    }

    /**
     * Refuses a number other than 0 that asks for something this architecture does not implement.
     *
     * @param key in config.json
     */
    public void requireZero(String key) {
        if (number(key, 0) != 0) {
            throw new UserErrorException(
                    origin + ": '" + key + "': " + root.path(key) + " is not implemented for " + architecture());
        }
    }

    /**
     * Refuses keys that, when they are there and not null, ask for something this architecture does not implement.
     *
     * @param keys in config.json
     */
    public void refuse(Set<String> keys) {
        for (String key : keys) {
            if (has(key)) {
                throw new UserErrorException(
                        origin + ": '" + key + "': " + root.path(key) + " is not implemented for " + architecture());
            }
        }
    }

    /**
     * The error for a key whose value cannot be used.
     *
     * @param key in config.json
     * @param expected what would have been right
     * @return the error
     */
    public UserErrorException invalid(String key, String expected) {
        JsonNode node = root.path(key);
        String found = node.isMissingNode() ? "is missing" : "is " + node;
        return new UserErrorException(origin + ": '" + key + "' " + found + ", expected " + expected);
    }

    @Override
    public String toString() {
        return root.toPrettyString();
    }
}
