package org.finetune4j.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.KeyValueCache;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.PrefixCache;
import org.finetune4j.nn.Prompt;
import org.finetune4j.nn.PromptExtension;
import org.finetune4j.nn.RotaryFrequencies;
import org.finetune4j.nn.Rotation;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.jspecify.annotations.Nullable;

/**
 * A causal language model with its configuration and, where it has one, its tokenizer: everything that a Hugging Face
 * model directory holds.
 *
 * <pre>{@code
 * try (CausalLM model = CausalLM.load(Path.of("models/SmolLM2-135M"))) {
 *     Tensor logits = model.logits(ModelInputs.of(model.tokenizer().encode("Good morning", true)));
 * }
 * }</pre>
 *
 * Weights are native memory: close the model. It is not thread-safe.
 */
public final class CausalLM implements AutoCloseable {

    private final ModelConfig config;
    private final DecoderModel network;
    private final Device device;
    private final DType computeDType;
    private final @Nullable Path directory;
    private final @Nullable Tokenizer tokenizer;
    private @Nullable PromptExtension promptExtension;

    private CausalLM(
            ModelConfig config,
            DecoderModel network,
            Device device,
            @Nullable Path directory,
            @Nullable Tokenizer tokenizer) {
        this.config = config;
        this.network = network;
        this.device = device;
        this.computeDType = device.computeDType(config.storageDType());
        this.directory = directory;
        this.tokenizer = tokenizer;
    }

    /** Loads a model directory onto the best device, in the dtype it is stored in; see {@link #load(Path, LoadOptions)}. */
    public static CausalLM load(Path directory) {
        return load(directory, LoadOptions.defaults());
    }

    /**
     * Loads a model directory: {@code config.json}, safetensors in one or several files, and the tokenizer if it has one.
     * On a CPU weights stay mapped from the files, so loading neither copies nor waits for them.
     *
     * @throws UserErrorException when something is missing, broken, or not implemented; the message names it
     */
    public static CausalLM load(Path directory, LoadOptions options) {
        ModelConfig config = ModelConfig.load(directory);
        Architecture architecture = Architecture.of(config);
        Device device = options.device();
        try (CheckpointReader reader = CheckpointReader.open(directory);
                TensorScope scope = TensorScope.open()) {
            CheckpointWeights source =
                    new CheckpointWeights(reader, architecture.backbonePrefix(), device, options.dtype());
            DecoderModel network = architecture.build(config, Weights.of(source));
            source.checkAllUsed(network.isTied());
            ModelConfig stored = options.dtype() == null ? config : config.withStorageDType(options.dtype());
            Tokenizer tokenizer = Files.exists(directory.resolve("tokenizer.json")) ? Tokenizer.load(directory) : null;
            return new CausalLM(stored, network, device, directory, tokenizer);
        }
    }

    /**
     * A new model with random weights, for training from nothing.
     *
     * @param tokenizer the tokenizer it will be used with, which the model then owns, or null
     * @param seed decides the weights
     */
    public static CausalLM initialize(ModelConfig config, @Nullable Tokenizer tokenizer, Device device, long seed) {
        Torch.seed(seed);
        try (TensorScope scope = TensorScope.open()) {
            DecoderModel network = Architecture.of(config).build(config, Weights.of(new InitialWeights(device)));
            return new CausalLM(config, network, device, null, tokenizer);
        }
    }

    public ModelConfig config() {
        return config;
    }

    /** The layers and parameters. */
    public DecoderModel network() {
        return network;
    }

    public Device device() {
        return device;
    }

    /** The type that hidden states are calculated in. */
    public DType computeDType() {
        return computeDType;
    }

    /** Where the model was loaded from, or null for a new one. */
    public @Nullable Path directory() {
        return directory;
    }

    /** What others call this model: its hub name where the configuration knows one, else its directory. */
    public String nameOrPath() {
        String name = config.text("_name_or_path", "");
        return !name.isEmpty() ? name : directory == null ? "" : directory.toString();
    }

    public boolean hasTokenizer() {
        return tokenizer != null;
    }

    /**
     * The tokenizer.
     *
     * @throws UserErrorException when the model directory has none
     */
    public Tokenizer tokenizer() {
        if (tokenizer == null) {
            throw new UserErrorException(
                    (directory == null ? "this model" : directory) + " has no tokenizer.json: text needs a tokenizer");
        }
        return tokenizer;
    }

    /**
     * Puts virtual tokens before those of every sequence that the model sees, in training and in generation. There is place
     * for one.
     */
    public void extendPrompt(PromptExtension extension) {
        if (promptExtension != null) {
            throw new IllegalStateException("this model already carries " + promptExtension);
        }
        promptExtension = extension;
    }

    /** What puts virtual tokens before those of every sequence, or null. */
    public @Nullable PromptExtension promptExtension() {
        return promptExtension;
    }

    /** Takes the virtual tokens away. */
    public void removePromptExtension() {
        promptExtension = null;
    }

    /** The number of virtual tokens before those of every sequence: so much longer is a key-value cache. */
    public int virtualTokens() {
        return promptExtension == null ? 0 : promptExtension.virtualTokens();
    }

    private @Nullable Prompt prompt() {
        return promptExtension == null ? null : promptExtension.prompt(computeDType);
    }

    /** What the layers need to know about a batch without earlier tokens. */
    public SequenceContext context(ModelInputs inputs) {
        return context(inputs, prompt());
    }

    /**
     * What the layers need to know about a batch without earlier tokens.
     *
     * @param prompt what the model's prompt extension makes, or made for this batch; null without one
     */
    public SequenceContext context(ModelInputs inputs, @Nullable Prompt prompt) {
        KeyValueCache cache = prompt instanceof Prompt.Prefix prefix ? new PrefixCache(prefix) : null;
        return startingContext(inputs, prompt, cache);
    }

    /**
     * What the layers need to know about tokens that follow those of a cache. An empty cache is first filled with the
     * virtual tokens that have keys and values of their own.
     *
     * @param inputs the new tokens, with their positions (virtual tokens not counted)
     * @param seenMask [batch, past + seq], 1 for a real token (virtual tokens not among them)
     */
    public SequenceContext context(ModelInputs inputs, KeyValueCache cache, byte[] seenMask) {
        Prompt prompt = cache.length() == 0 ? prompt() : null;
        if (prompt instanceof Prompt.Prefix prefix) {
            prefix.appendTo(cache, inputs.batchSize());
        }
        if (cache.length() == 0) {
            return startingContext(inputs, prompt, cache);
        }
        int virtual = virtualTokens();
        byte[] seen = PromptLayout.seenAfter(virtual, seenMask, inputs.batchSize());
        int[] positions = PromptLayout.shifted(inputs.positions(), virtual);
        return context(positions, inputs.sequenceLength(), AttentionMask.continuing(inputs, seen), cache, null);
    }

    private SequenceContext startingContext(
            ModelInputs inputs, @Nullable Prompt prompt, @Nullable KeyValueCache cache) {
        int seq = inputs.sequenceLength();
        int[] positions = inputs.positions();
        Tensor mask = PromptLayout.mask(AttentionMask.of(inputs, positions), seq, prompt);
        int[] all = PromptLayout.positions(positions, seq, prompt);
        Tensor virtual = prompt instanceof Prompt.Embeddings vectors ? vectors.embeddings() : null;
        return context(all, all.length / inputs.batchSize(), mask, cache, virtual);
    }

    /** @param positions [batch, seq] of all that runs through the layers */
    private SequenceContext context(
            int[] positions,
            int seq,
            @Nullable Tensor mask,
            @Nullable KeyValueCache cache,
            @Nullable Tensor virtualEmbeddings) {
        int[] distinct = sameInAllRows(positions, seq) ? Arrays.copyOf(positions, seq) : positions;
        int distinctRows = distinct.length / seq;
        int longest = Arrays.stream(positions).max().orElse(0);
        if (longest >= network.maxPositions()) {
            throw new UserErrorException("a sequence of " + (longest + 1) + " tokens is longer than the "
                    + network.maxPositions() + " that " + config.origin() + " allows (max_position_embeddings)");
        }
        RotaryFrequencies frequencies = network.rotaryFrequencies();
        Rotation rotation =
                frequencies == null ? null : Rotation.of(frequencies, distinct, distinctRows, device, computeDType);
        Tensor positionIds =
                Tensors.of(distinct, distinctRows, seq).to(DType.INT64).to(device);
        return new SequenceContext(
                positionIds, rotation, mask == null ? null : mask.to(device), cache, virtualEmbeddings);
    }

    private static boolean sameInAllRows(int[] positions, int seq) {
        for (int i = seq; i < positions.length; i++) {
            if (positions[i] != positions[i - seq]) {
                return false;
            }
        }
        return true;
    }

    /** Token ids as a tensor on the model's device: [batch, seq] int64. */
    public Tensor inputIds(ModelInputs inputs) {
        return Tensors.of(inputs.inputIds(), inputs.batchSize(), inputs.sequenceLength())
                .to(DType.INT64)
                .to(device);
    }

    /**
     * The hidden states after the final norm, without recording anything for a backward pass.
     *
     * @return [batch, seq, hidden], after those of the context's virtual embeddings where it has some; it belongs to the
     *     caller's scope
     */
    public Tensor hiddenStates(ModelInputs inputs, SequenceContext context) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor hidden = network.embed(inputIds(inputs), context, computeDType); // [batch, seq, hidden]
            for (DecoderLayer layer : network.layers()) {
                hidden = forwardInScope(layer, hidden, context);
            }
            return scope.keep(network.finalNorm(hidden));
        }
    }

    private static Tensor forwardInScope(DecoderLayer layer, Tensor hidden, SequenceContext context) {
        try (TensorScope scope = TensorScope.open()) {
            return scope.keep(layer.forward(hidden, context));
        }
    }

    /**
     * The scores of the next token at every position, without recording anything for a backward pass.
     *
     * @return [batch, seq, vocabulary], which belongs to the caller's scope
     */
    public Tensor logits(ModelInputs inputs) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor hidden = hiddenStates(inputs, context(inputs)); // [batch, virtual + seq, hidden]
            long seq = inputs.sequenceLength();
            Tensor ofTokens = hidden.narrow(1, hidden.size(1) - seq, seq); // [batch, seq, hidden]
            return scope.keep(network.logits(ofTokens));
        }
    }

    /** Writes a model directory in the layout of {@code save_pretrained}; see {@link ModelWriter}. */
    public void save(Path target) {
        ModelWriter.of(this).write(target);
    }

    /** The names of the layers that a method can extend, such as {@code model.layers.0.self_attn.q_proj}. */
    public List<String> linearLayerNames() {
        return network.namedModules().entrySet().stream()
                .filter(entry -> entry.getValue() instanceof Linear)
                .map(Map.Entry::getKey)
                .toList();
    }

    /** Frees weights and tokenizer. */
    @Override
    public void close() {
        network.close();
        if (tokenizer != null) {
            tokenizer.close();
        }
    }
}
