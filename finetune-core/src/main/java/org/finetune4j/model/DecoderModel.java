package org.finetune4j.model;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.ModuleGroup;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.VocabularyShard;
import org.finetune4j.nn.WeightBuffers;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * A decoder as a chain of segments: embedding, layers, final norm and output layer. Training, generation and sharding
 * drive the segments; an architecture only says what each of them does. Modules and parameters are named as in
 * transformers.
 */
public abstract class DecoderModel extends Module {

    private final WeightBuffers.Pool weightBuffers = new WeightBuffers.Pool();
    private @Nullable Module embeddingPart;
    private @Nullable Module headPart;
    private volatile @Nullable LoadBalancing trainingBalancing;

    /**
     * Where compressed weights become numbers, one layer at a time.
     *
     * @return the buffers for passes of this model
     */
    public final WeightBuffers.Pool weightBuffers() {
        return weightBuffers;
    }

    /**
     * Turns token ids into the first hidden states.
     *
     * @param inputIds [batch, seq] int64
     * @param context what the layers know about the batch
     * @param computeDType what is calculated in; null for what suits the device
     * @return [batch, seq, hidden] in {@code computeDType}, with the context's virtual tokens before the others
     */
    public abstract Tensor embed(Tensor inputIds, SequenceContext context, DType computeDType);

    /**
     * The vectors of tokens, as a model is given them in the place of token ids: rows of the table, scaled where the
     * architecture scales them.
     *
     * @param inputIds int64 of any shape
     * @param computeDType what is calculated in; null for what suits the device
     * @return [..., hidden]
     */
    public final Tensor tokenVectors(Tensor inputIds, DType computeDType) {
        Tensor rows = inputEmbedding().forward(inputIds, computeDType); // [..., hidden]
        double scale = embeddingScale();
        // A tensor rounds the scale to the type of calculation, as the references do.
        return scale == 1 ? rows : rows.mul(Tensors.full(scale, rows.dtype(), rows.device(), 1));
    }

    /** {@return what rows of the table are multiplied by; 1 unless the architecture says otherwise} */
    protected double embeddingScale() {
        return 1;
    }

    /**
     * Whether {@link #embed} gives nothing but the vectors of tokens, so that no positions, norms or dropout are in it.
     *
     * @return false unless the architecture says so
     */
    protected boolean embedsTokensOnly() {
        return false;
    }

    /** {@return whether {@link #embed} gives rows of the table as they are, where there are no virtual tokens} */
    public final boolean looksUpRows() {
        return embedsTokensOnly() && embeddingScale() == 1;
    }

    /**
     * The vectors of tokens, after the context's virtual ones where it has some.
     *
     * @param inputIds [batch, seq] int64
     * @param context what the layers know about the batch
     * @param computeDType what is calculated in; null for what suits the device
     * @return [batch, virtual + seq, hidden]
     */
    protected final Tensor allVectors(Tensor inputIds, SequenceContext context, DType computeDType) {
        Tensor tokens = tokenVectors(inputIds, computeDType); // [batch, seq, hidden]
        Tensor virtual = context.virtualEmbeddings();
        if (virtual == null) {
            return tokens;
        }
        Tensor rows = virtual.shape().length == 3
                ? virtual
                : virtual.unsqueeze(0).expand(tokens.size(0), virtual.size(0), virtual.size(1));
        return Tensors.cat(List.of(rows, tokens), 1); // [batch, virtual + seq, hidden]
    }

    /** {@return the layers in their order} */
    public abstract List<? extends DecoderLayer> layers();

    /**
     * The final norm: [..., hidden] to [..., hidden].
     *
     * @param hiddenStates [..., hidden]
     * @param context what is known about the batch whose rows these are; null where nothing is, and nothing is dropped
     * @return [..., hidden]
     */
    public abstract Tensor finalNorm(Tensor hiddenStates, @Nullable SequenceContext context);

    /** {@return the table of token embeddings} */
    public abstract Embedding inputEmbedding();

    /**
     * The modules that {@link #finalNorm} and {@link #logits} use, each registered by this model itself.
     *
     * @return at least the output layer
     */
    protected abstract List<Module> headModules();

    /**
     * The first segment: the modules that {@link #embed} uses, which are neither layers nor the head's.
     *
     * @return the same object every time
     */
    public final synchronized Module embeddingPart() {
        if (embeddingPart == null) {
            List<Module> others = new ArrayList<>(headModules());
            others.addAll(layers());
            embeddingPart = part(module -> !others.contains(module));
        }
        return embeddingPart;
    }

    /**
     * The last segment: the modules that {@link #finalNorm} and {@link #logits} use.
     *
     * @return the same object every time
     */
    public final synchronized Module headPart() {
        if (headPart == null) {
            headPart = part(headModules()::contains);
        }
        return headPart;
    }

    private Module part(Predicate<Module> members) {
        Map<String, Module> modules = new LinkedHashMap<>();
        children().forEach((path, module) -> {
            if (members.test(module)) {
                modules.put(path, module);
            }
        });
        return new ModuleGroup(modules);
    }

    /** {@return whether training changes anything that {@link #embed} uses} */
    public final boolean embeddingTrains() {
        return embeddingPart().isTrainable();
    }

    /** {@return the output layer, from hidden to vocabulary or, in a classifier, to its labels} */
    public abstract Linear outputLayer();

    /** {@return the kinds of attention that the layers have} */
    public Set<AttentionKind> attentionKinds() {
        return Set.of(AttentionKind.FULL);
    }

    /**
     * {@return how many tokens a layer with sliding attention sees, the token itself among them; where it is not causal, as many in
     * each of both directions}
     */
    public int slidingWindow() {
        throw new IllegalStateException("this model has no layer with sliding attention");
    }

    /** {@return whether a token sees nothing after it; an encoder's does} */
    public boolean isCausal() {
        return true;
    }

    /**
     * {@return the rotary embedding of layers of this kind, or null in a model without one}
     *
     * @param kind full or sliding attention
     */
    public @Nullable RotaryEmbedding rotaryEmbedding(AttentionKind kind) {
        return null;
    }

    /** {@return which token a classifier of sequences reads, or which on average; null in a language model, which scores every token} */
    public @Nullable Pooling pooling() {
        return null;
    }

    /**
     * Which of a row's hidden states is the first that is scored.
     *
     * @param hidden [batch, virtual + seq, hidden]
     * @param inputs the tokens, without virtual ones
     * @return an index of the second dimension
     */
    public final int firstScored(Tensor hidden, ModelInputs inputs) {
        int virtual = Math.toIntExact(hidden.size(1)) - inputs.sequenceLength();
        Pooling pooling = pooling();
        return pooling == null ? virtual : pooling.start(virtual);
    }

    /**
     * How many of a row's hidden states are scored, from {@link #firstScored} on: as many as the rows have tokens, or virtual ones too
     * where a classifier averages them.
     *
     * @param hidden [batch, virtual + seq, hidden]
     * @param inputs the tokens, without virtual ones
     * @return a number
     */
    public final int countScored(Tensor hidden, ModelInputs inputs) {
        int tokens = inputs.sequenceLength();
        int virtual = Math.toIntExact(hidden.size(1)) - tokens;
        Pooling pooling = pooling();
        return pooling == null ? tokens : pooling.end(virtual, tokens) - pooling.start(virtual);
    }

    /** {@return what a mixture of experts adds to the training loss; null in a model without routers} */
    public final @Nullable LoadBalancing loadBalancing() {
        LoadBalancing wanted = trainingBalancing;
        return wanted == null ? configuredBalancing() : wanted;
    }

    /** {@return what the configuration adds to the training loss; null in a model without routers} */
    protected @Nullable LoadBalancing configuredBalancing() {
        return null;
    }

    /**
     * Lets trainings of this model add these losses of its routers, whatever its configuration says.
     *
     * @param balance weight of the load-balancing loss, 0 for none
     * @param z weight of the router z-loss, 0 for none
     * @return whether the model has routers; without, nothing is changed
     */
    public final boolean useRouterLosses(double balance, double z) {
        LoadBalancing configured = configuredBalancing();
        trainingBalancing = configured == null ? null : configured.inTraining(balance, z);
        return configured != null;
    }

    /**
     * How many kinds of tokens the model tells apart by their type ids.
     *
     * @return the number, 0 where it does not look at them
     */
    public int tokenTypes() {
        return 0;
    }

    /** {@return the longest sequence the model can see} */
    public abstract int maxPositions();

    /**
     * The scores of every token of the vocabulary, or of every label.
     *
     * @param normalised [..., hidden], hidden states after the final norm
     * @return [..., vocabulary or labels]
     */
    public final Tensor logits(Tensor normalised) {
        return logits(normalised, null);
    }

    /**
     * The scores of every token of the vocabulary, or of every label.
     *
     * @param normalised [..., hidden], hidden states after the final norm
     * @param context what is known about the batch whose rows these are; null where nothing is, and nothing is dropped
     * @return [..., vocabulary or labels]
     */
    public final Tensor logits(Tensor normalised, @Nullable SequenceContext context) {
        Tensor own = ownLogits(normalised, context);
        VocabularyShard shard = vocabularyShard();
        return shard == null ? own : shard.gather(own);
    }

    /**
     * The scores of the words that this process has, or of every label.
     *
     * @param normalised [..., hidden], hidden states after the final norm
     * @param context what is known about the batch whose rows these are; null where nothing is, and nothing is dropped
     * @return [..., own words or labels]
     */
    public Tensor ownLogits(Tensor normalised, @Nullable SequenceContext context) {
        return outputLayer().forward(normalised, context);
    }

    /** {@return whether this process has a share of the checkpoint's layers only} */
    public final boolean isDivided() {
        return inputEmbedding().shard() != null;
    }

    /** {@return which words this process scores, or null for all} */
    public final @Nullable VocabularyShard vocabularyShard() {
        return pooling() == null ? inputEmbedding().shard() : null;
    }

    /** {@return whether the scores are the output layer's products and nothing else}: false in every class that overrides {@link #ownLogits} */
    public boolean scoresAreProducts() {
        return true;
    }

    /** {@return whether the output layer's weight is the embedding's} */
    public final boolean isTied() {
        return outputLayer().weight() == inputEmbedding().weight();
    }

    /** Frees every parameter, and the memory that compressed ones are decompressed into. */
    @Override
    public void close() {
        super.close();
        weightBuffers.close();
    }
}
