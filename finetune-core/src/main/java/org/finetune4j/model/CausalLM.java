package org.finetune4j.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.hub.HubClient;
import org.finetune4j.model.safetensors.MappedFile;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.KeyValueCache;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.PackedWeights;
import org.finetune4j.nn.PrefixCache;
import org.finetune4j.nn.Prompt;
import org.finetune4j.nn.PromptExtension;
import org.finetune4j.nn.Residency;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.TokenScaling;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
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
 * Weights are native memory: close the model. Several threads may compute with one model at once; {@link #close} waits for
 * those that are inside, and whoever comes later gets an {@link IllegalStateException}. Weights stay mapped from the
 * checkpoint's files, which must keep their length as long as the model is open: one that was cut short is refused before
 * the next pass.
 */
public final class CausalLM extends TextModel {

    private final ModelConfig config;
    private final DecoderModel network;
    private final Device device;
    private final DType computeDType;
    private final Set<MappedFile> mappedFiles;
    private final Set<String> newModules;
    private final ModelUse use = new ModelUse();
    private volatile @Nullable PromptExtension promptExtension;
    private volatile @Nullable TokenScaling tokenScaling;
    private volatile List<Residency> residencies = List.of();
    private volatile boolean packed;

    /** Takes over network and tokenizer. */
    CausalLM(
            ModelConfig config,
            DecoderModel network,
            Device device,
            DType computeDType,
            @Nullable Path directory,
            @Nullable Tokenizer tokenizer,
            Set<MappedFile> mappedFiles,
            Set<String> newModules) {
        super(directory, tokenizer);
        this.config = config;
        this.network = network;
        this.device = device;
        this.computeDType = computeDType;
        this.mappedFiles = mappedFiles;
        this.newModules = Set.copyOf(newModules);
    }

    /**
     * Loads a model directory onto the best device, in the dtype it is stored in; see {@link #load(Path, LoadOptions)}.
     *
     * @param directory of the model
     * @return the model, which the caller closes
     */
    public static CausalLM load(Path directory) {
        ModelConfig.requireDirectory(Objects.requireNonNull(directory, "directory"));
        return load(directory, LoadOptions.defaults());
    }

    /**
     * {@link #load(String, LoadOptions)} onto the best device, in the dtype it is stored in.
     *
     * @param nameOrPath a directory, {@code org/name} or {@code org/name@revision}
     * @return the model, which the caller closes
     */
    public static CausalLM load(String nameOrPath) {
        return load(HubClient.fromEnvironment().resolve(Objects.requireNonNull(nameOrPath, "nameOrPath")));
    }

    /**
     * Loads a local directory or, if there is none of this name, a model of the hub, which is downloaded into the cache
     * unless it is there already; see {@link HubClient}.
     *
     * @param nameOrPath a directory, {@code org/name} or {@code org/name@revision}
     * @param options the user's
     * @return the model, which the caller closes
     * @throws UserErrorException when there is no such model, or it cannot be used; the message says why
     */
    public static CausalLM load(String nameOrPath, LoadOptions options) {
        return load(HubClient.fromEnvironment().resolve(nameOrPath), options);
    }

    /**
     * Loads a model directory: {@code config.json}, safetensors in one or several files, and the tokenizer if it has one. On
     * a CPU weights stay mapped from the files, so loading neither copies nor waits for them. A classifier of sequences
     * loads the same way; {@link #logits} then gives the scores of its labels.
     *
     * @param directory of the model
     * @param options the user's
     * @return the model, which the caller closes
     * @throws UserErrorException when something is missing, broken, or not implemented; the message names it
     */
    public static CausalLM load(Path directory, LoadOptions options) {
        Objects.requireNonNull(directory, "directory");
        Objects.requireNonNull(options, "options");
        return ModelLoader.load(directory, options);
    }

    /**
     * A new model with random weights, for training from nothing.
     *
     * @param config of the model
     * @param tokenizer the tokenizer it will be used with, which the model then owns, or null
     * @param device where the weights go
     * @param seed decides the weights
     * @return the model, which the caller closes
     */
    public static CausalLM initialize(ModelConfig config, @Nullable Tokenizer tokenizer, Device device, long seed) {
        return initialize(config, tokenizer, LoadOptions.defaults().withDevice(device), seed);
    }

    /**
     * A new model with random weights.
     *
     * @param config of the model
     * @param tokenizer which the model then owns, or null
     * @param options device and types of the model; nothing else of them matters here
     * @param seed decides the weights
     * @return the model, which the caller closes
     */
    public static CausalLM initialize(
            ModelConfig config, @Nullable Tokenizer tokenizer, LoadOptions options, long seed) {
        return ModelLoader.initialize(config, tokenizer, options, seed);
    }

    /**
     * A model that has shapes and no weights, as large as it may be: it can be asked for the memory that a training would take,
     * and calculates nothing.
     *
     * @param config of the model
     * @param dtype the type that weights are stored and calculated in
     * @return the model, which the caller closes
     * @throws UserErrorException when the configuration asks for something that is not implemented
     */
    public static CausalLM shapes(ModelConfig config, DType dtype) {
        return ModelLoader.shapes(config, dtype);
    }

    /** {@return what config.json says} */
    public ModelConfig config() {
        return config;
    }

    /** {@return the layers and parameters} */
    public DecoderModel network() {
        return network;
    }

    /**
     * {@return paths of the modules that the checkpoint has none for, drawn at random when it was loaded as a classifier:
     * its head, and what lies between that and the layers}
     */
    public Set<String> newModules() {
        return newModules;
    }

    /** {@return where the weights are} */
    public Device device() {
        return device;
    }

    /** {@return the type that hidden states are calculated in} */
    public DType computeDType() {
        return computeDType;
    }

    /** {@return what services call this model: the name of its directory, {@code model} for one that has none} */
    public String shortName() {
        Path directory = directory();
        Path last = directory == null
                ? null
                : directory.toAbsolutePath().normalize().getFileName();
        return last == null ? "model" : last.toString();
    }

    /**
     * {@return what others call this model: its hub name where the cache or the configuration knows one, else its directory}
     */
    public String nameOrPath() {
        Path directory = directory();
        Optional<String> repository = directory == null ? Optional.empty() : HubClient.repositoryOf(directory);
        if (repository.isPresent()) {
            return repository.get();
        }
        String name = config.text("_name_or_path", "");
        return !name.isEmpty() ? name : directory == null ? "" : directory.toString();
    }

    /**
     * What the layers need to know about a batch without earlier tokens.
     *
     * @param inputs the tokens
     * @return the context, whose tensors belong to the scope
     */
    public SequenceContext context(ModelInputs inputs) {
        return context(inputs, prompt(inputs.taskIds()));
    }

    /**
     * What the layers need to know about a batch without earlier tokens.
     *
     * @param inputs the tokens
     * @param prompt the virtual tokens that the model's prompt extension made, or null
     * @return the context, whose tensors belong to the scope
     */
    public SequenceContext context(ModelInputs inputs, @Nullable Prompt prompt) {
        return contexts()
                .start(inputs, prompt, prompt instanceof Prompt.Prefix prefix ? new PrefixCache(prefix) : null);
    }

    /**
     * What the layers need to know about tokens that follow those of a cache which knows by itself what each row sees: its
     * rows may be of any lengths, in pages, come and go.
     *
     * @param inputs the new tokens, with the position of each in its row (virtual tokens not counted)
     * @param cache puts virtual tokens, where the model has some, and the window of layers with sliding attention into effect
     * @return the context, without masks
     */
    public SequenceContext context(ModelInputs inputs, KeyValueCache cache) {
        return contexts().within(inputs, virtualTokens(), cache, null);
    }

    /**
     * What the layers need to know about tokens of sequences of any lengths, whose cache knows by itself what each of them
     * sees. A model that rotates long sequences otherwise than short ones rotates each row by its own length.
     *
     * @param inputs the new tokens, with the position of each in its sequence (virtual tokens not counted)
     * @param cache as for {@link #context(ModelInputs, KeyValueCache)}
     * @param lengths how many tokens the sequence of each row has, the new ones among them (virtual tokens not counted)
     * @return the context, without masks
     */
    public SequenceContext context(ModelInputs inputs, KeyValueCache cache, int[] lengths) {
        return contexts().within(inputs, virtualTokens(), cache, lengths);
    }

    /**
     * Puts virtual tokens before those of every sequence that the model sees, in training and in generation. There is place
     * for one prompt.
     *
     * @param extension makes them
     * @throws UserErrorException when another one is there
     */
    public void extendPrompt(PromptExtension extension) {
        PromptExtension present = promptExtension;
        if (present != null) {
            throw new UserErrorException(
                    "this model already carries " + present + ": disable that adapter before another");
        }
        if (tokenScaling != null) {
            throw new UserErrorException("virtual tokens beside " + tokenScaling
                    + " are not implemented: disable that adapter before another");
        }
        promptExtension = extension;
    }

    /** {@return what puts virtual tokens before those of every sequence, or null} */
    public @Nullable PromptExtension promptExtension() {
        return promptExtension;
    }

    /** Takes the virtual tokens away. */
    public void removePromptExtension() {
        promptExtension = null;
    }

    /**
     * Lets every pass of the model, in training and in generation, be the second one after a pass that a method looks at. There is
     * place for one method of this kind.
     *
     * @param scaling the method
     * @throws UserErrorException when another one is there, or virtual tokens are
     */
    public void scaleTokens(TokenScaling scaling) {
        Object present = tokenScaling == null ? promptExtension : tokenScaling;
        if (present != null) {
            throw new UserErrorException(
                    "this model already carries " + present + ": disable that adapter before another");
        }
        tokenScaling = scaling;
    }

    /** {@return the method that looks at a first pass, or null} */
    public @Nullable TokenScaling tokenScaling() {
        return tokenScaling;
    }

    /** Lets every pass be the only one again. */
    public void removeTokenScaling() {
        tokenScaling = null;
    }

    /** {@return how many virtual tokens stand before those of every sequence, in a key-value cache too} */
    public int virtualTokens() {
        PromptExtension present = promptExtension;
        return present == null ? 0 : present.virtualTokens();
    }

    /** {@return how many tasks its virtual tokens tell apart; with more than one every sequence must say which is its own} */
    public int tasks() {
        PromptExtension present = promptExtension;
        return present == null ? 1 : present.tasks();
    }

    private @Nullable Prompt prompt(int @Nullable [] taskIds) {
        PromptExtension present = promptExtension;
        return present == null ? null : present.prompt(taskIds, computeDType, Dropout.OFF);
    }

    private ContextFactory contexts() {
        return new ContextFactory(network, config.origin(), device, computeDType, packed);
    }

    /**
     * Puts the weights into the order in which few rows are multiplied fastest, for a model that only generates from now on, see {@link
     * PackedWeights#pack}. It takes about as long as reading them, and no more memory than float32 weights take. Products change in their
     * last digits. Training, merging and saving still work, with a second copy of the weights. Nothing happens on processors where that
     * order is not the faster one, and where the type to calculate in is not float32.
     *
     * @throws IllegalStateException when this thread and another one are inside
     */
    public void packForGeneration() {
        if (computeDType == DType.FLOAT32 && device.equals(Device.CPU)) {
            try (Entry open = keepOpen()) {
                alone(() -> {
                    PackedWeights.pack(network, PackedWeights.usualBytes());
                    packed = true;
                });
            }
        }
    }

    /** {@return whether {@link #packForGeneration()} was called and had an effect} */
    public boolean isPackedForGeneration() {
        return packed;
    }

    /**
     * Token ids as a tensor on the model's device.
     *
     * @param inputs the batch
     * @return [batch, seq] int64
     * @throws UserErrorException when one of them is not in the model's table
     */
    public Tensor inputIds(ModelInputs inputs) {
        IndexRange.require(
                "token id",
                inputs.inputIds(),
                inputs.sequenceLength(),
                network.inputEmbedding().count());
        return Tensors.of(inputs.inputIds(), inputs.batchSize(), inputs.sequenceLength())
                .to(DType.INT64)
                .to(device);
    }

    /**
     * The hidden states after the final norm, without recording anything for a backward pass.
     *
     * @param inputs the tokens
     * @param context what the layers know about the batch
     * @return [batch, virtual + seq, hidden] with the virtual embeddings of the context, which belongs to the caller's scope
     */
    public Tensor hiddenStates(ModelInputs inputs, SequenceContext context) {
        try (Entry entry = enter();
                Autograd.Mode mode = Autograd.disabled();
                ModelSegments segments = ModelSegments.of(this, List.of(), forNumbersAlone(context));
                TensorScope scope = TensorScope.open()) {
            return scope.keep(segments.finalNorm(segments.forward(inputs, context), context));
        }
    }

    /**
     * Nobody goes back through these passes, and every way to run a layer leaves such a one to autograd where nothing is dropped: it is not
     * asked about every layer for every token.
     */
    private static SegmentFactory forNumbersAlone(SequenceContext context) {
        return context.dropout().isOn() ? SegmentFactory.installed() : SegmentFactory.autograd();
    }

    /**
     * The scores of the next token at every position or, from a classifier of sequences, the scores of every label, without
     * recording anything for a backward pass.
     *
     * @param inputs the tokens
     * @return [batch, seq, vocabulary] or [batch, labels], which belongs to the caller's scope
     */
    public Tensor logits(ModelInputs inputs) {
        return logits(inputs, null);
    }

    /**
     * The scores of {@link #logits(ModelInputs)} for rows that use adapters of their own.
     *
     * @param inputs the batch
     * @param rowAdapters which adapter each row uses, or null where all use what the layers have
     * @return [batch, seq, vocabulary] or [batch, labels], which belongs to the caller's scope
     */
    public Tensor logits(ModelInputs inputs, @Nullable RowAdapters rowAdapters) {
        try (Entry entry = enter();
                Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            SequenceContext plain = context(inputs);
            SequenceContext context =
                    rowAdapters == null ? plain : plain.withRowGroups(rowAdapters.of(inputs.batchSize(), device));
            Tensor all = hiddenStates(inputs, context); // [batch, virtual + seq, hidden]
            int scored = network.countScored(all, inputs);
            Tensor hidden = all.narrow(1, network.firstScored(all, inputs), scored); // [batch, seq, hidden]
            Pooling pooling = network.pooling();
            if (pooling != null) {
                PooledTokens pooled = pooling.places(inputs, scored);
                hidden = pooled.averaged(pooled.of(hidden.reshape(-1, hidden.size(-1)))); // [batch, hidden]
            }
            return scope.keep(scores(hidden, context));
        }
    }

    /**
     * The scores that the output layer gives to states after the final norm, of a thread that is inside.
     *
     * @param normalised [..., hidden]
     * @param context what is known about the batch whose rows these are; null where nothing is
     * @return [..., vocabulary or labels]
     */
    public Tensor scores(Tensor normalised, @Nullable SequenceContext context) {
        return Residency.of(residencies).forward(network.headPart(), () -> network.logits(normalised, context));
    }

    /** What is done around the segments of every pass, until it is closed. */
    public interface Residence extends AutoCloseable {

        @Override
        void close();
    }

    /**
     * Has more done around every segment that a pass of this model runs, in whatever thread and for whatever purpose: a run
     * that keeps weights elsewhere says so for its time. Those that are there already are outside of it. It begins and ends
     * when no other thread is inside.
     *
     * @param further called around the embedding, every layer and the head, the first one outermost
     * @return to be closed at the end of the run
     * @throws IllegalStateException when this thread and another one are inside
     */
    public Residence with(List<Residency> further) {
        List<Residency> added = List.copyOf(further);
        if (added.isEmpty()) {
            return () -> {};
        }
        alone(() -> residencies =
                Stream.concat(residencies.stream(), added.stream()).toList());
        return () -> alone(() -> {
            List<Residency> left = new ArrayList<>(residencies);
            added.forEach(left::remove);
            residencies = List.copyOf(left);
        });
    }

    /** What is done around every segment by whoever has a run. */
    List<Residency> residencies() {
        return residencies;
    }

    /**
     * Writes a model directory in the layout of {@code save_pretrained}; see {@link ModelWriter}.
     *
     * @param target the directory
     */
    public void save(Path target) {
        ModelWriter.of(this).write(target);
    }

    /** {@return the names of the layers that a method can extend, such as {@code model.layers.0.self_attn.q_proj}} */
    public List<String> linearLayerNames() {
        return network.namedModules().entrySet().stream()
                .filter(entry -> entry.getValue() instanceof Linear)
                .map(Map.Entry::getKey)
                .toList();
    }

    /** The stay of a thread inside a model, which ends when it is closed, by the same thread. */
    public interface Entry extends AutoCloseable {

        @Override
        void close();
    }

    /**
     * Lets the calling thread work with the weights, in a pass or a step: until it leaves, nothing is freed or exchanged. The
     * model's own methods do this themselves; whoever drives {@link #network()} does it for each pass.
     *
     * @return to be closed when the thread is done
     * @throws IllegalStateException when the model is closed
     * @throws UserErrorException when a file that weights are mapped from was cut short
     */
    public Entry enter() {
        return toWholeFiles(use.enter());
    }

    private Entry toWholeFiles(Entry entry) {
        try {
            mappedFiles.forEach(MappedFile::requireUnchanged);
            return entry;
        } catch (RuntimeException e) {
            entry.close();
            throw e;
        }
    }

    /**
     * Keeps the model from being freed while a method is put on it: what that reads of the weights must not go away. Others may compute
     * with the model, and change it, meanwhile. The methods that come with the library do this themselves.
     *
     * @return to be closed when the method is on the model, by the same thread
     * @throws IllegalStateException when the model is closed
     * @throws UserErrorException when a file that weights are mapped from was cut short
     */
    public Entry keepOpen() {
        return toWholeFiles(use.hold());
    }

    /**
     * Marks the model as one that a training of this thread changes, which no other thread's may do meanwhile.
     *
     * @return to be closed when the training is over
     * @throws IllegalStateException when another thread trains this model
     */
    public Entry beginTraining() {
        return use.train();
    }

    /**
     * Changes the model, as when an adapter is put on or taken off, when no other thread is inside.
     *
     * @param action what is to be done
     * @throws IllegalStateException when this thread and another one are inside
     */
    public void alone(Runnable action) {
        use.alone(action);
    }

    /**
     * Counts what may have changed the model: adapters that came, went or were switched, trainings. What was computed under another number
     * may not be what the model says now.
     *
     * @return a number that only grows
     */
    public long changes() {
        return use.changes();
    }

    /**
     * Frees weights and tokenizer, after all threads that are inside have left. Closing twice is fine.
     *
     * @throws IllegalStateException when the calling thread is inside itself
     */
    @Override
    public void close() {
        use.close(() -> {
            network.close();
            closeText();
        });
    }
}
