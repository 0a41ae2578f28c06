package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** One of the equal blocks that a decoder is a stack of, and one segment of back-propagation. */
public abstract class DecoderLayer extends Module {

    /** The two halves of a layer. */
    public enum Block {
        /** The attention block. */
        ATTENTION,
        /** The feed-forward block. */
        FEED_FORWARD
    }

    private final Map<Block, BlockExtension> extensions = new EnumMap<>(Block.class);
    private @Nullable SequenceDivision division;
    private @Nullable Portion heads;
    private @Nullable AxisSlice keySlice;
    private boolean first;
    private boolean last;

    /**
     * Lets each process have some of the tokens between the blocks. The layer's input and output are the stream of its own tokens,
     * but at the ends of the model.
     *
     * @param tokens which; null for all
     * @param takes whether the input has all tokens
     * @param gathers whether the output is to have all tokens
     */
    public final void divideSequence(@Nullable SequenceDivision tokens, boolean takes, boolean gathers) {
        division = tokens;
        first = takes;
        last = gathers;
    }

    /**
     * Lets each process have some of the heads.
     *
     * @param portion of attention weights [batch, heads, seq, keys]
     * @param keys of the features of all key heads, which several processes can have the same of
     */
    public final void divideHeads(Portion portion, AxisSlice keys) {
        heads = portion;
        keySlice = keys;
    }

    /** {@return which features of all key heads, keyHeads * headDim, this process has; null for all} */
    public final @Nullable AxisSlice keySlice() {
        return keySlice;
    }

    /**
     * Runs the layer, on all tokens or on those of this process.
     *
     * @param hiddenStates [batch, seq or own, hidden]
     * @param context what the layers know about the batch
     * @return [batch, seq or own, hidden]
     */
    public final Tensor run(Tensor hiddenStates, SequenceContext context) {
        SequenceDivision tokens = division;
        Dropout dropout = context.dropout().ofHeads(heads);
        if (tokens == null) {
            return forward(hiddenStates, heads == null ? context : context.withDropout(dropout));
        }
        tokens.begin(context.positionIds().size(1));
        Tensor stream = first ? tokens.take(hiddenStates) : hiddenStates; // [batch, own, hidden]
        Tensor output = forward(stream, context.withDropout(dropout.ofPortion(tokens.stream())));
        return last ? tokens.gather(output) : output;
    }

    /** {@return how its tokens attend to each other} */
    public abstract Attention attention();

    /**
     * [batch, seq, hidden] to [batch, seq, hidden].
     *
     * @param hiddenStates [batch, seq, hidden]
     * @param context what the layers know about the batch
     * @return [batch, seq, hidden]
     */
    public abstract Tensor forward(Tensor hiddenStates, SequenceContext context);

    /**
     * Joins a block's output [batch, seq, hidden] to the stream that entered it, by its extension where it has one.
     *
     * @param block attention or feed-forward
     * @param residual [batch, seq, hidden], what entered the block
     * @param output [batch, seq, hidden], what the block gave
     * @param context what the layers know about the batch
     * @return [batch, seq, hidden]
     */
    protected final Tensor join(Block block, Tensor residual, Tensor output, SequenceContext context) {
        BlockExtension extension = extensions.get(block);
        return extension == null ? residual.add(output) : extension.join(residual, output, context);
    }

    /**
     * Normalises the stream after a block, where the layer does so: most normalise it before.
     *
     * @param block attention or feed-forward
     * @param stream [batch, seq, hidden], after the block's output has joined it
     * @return the same, unless the layer's kind says otherwise
     */
    public Tensor normAfter(Block block, Tensor stream) {
        return stream;
    }

    /**
     * {@return what a method added after a block, or null}
     *
     * @param block attention or feed-forward
     */
    public final @Nullable BlockExtension extension(Block block) {
        return extensions.get(block);
    }

    /**
     * Adds a method after a block. There is place for one.
     *
     * @param block attention or feed-forward
     * @param extension the method
     * @throws UserErrorException when another one is there
     */
    public final void extend(Block block, BlockExtension extension) {
        BlockExtension other = extensions.putIfAbsent(block, extension);
        if (other != null) {
            throw new UserErrorException(
                    "the " + block.name().toLowerCase(Locale.ROOT).replace('_', '-') + " block already carries " + other
                            + ": disable that adapter before another");
        }
        SequenceDivision tokens = division;
        if (tokens != null) {
            extension.parameters().forEach(parameter -> parameter.summedIn(tokens.sums()));
        }
    }

    /**
     * Takes the method after a block away.
     *
     * @param block attention or feed-forward
     */
    public final void removeExtension(Block block) {
        extensions.remove(block);
    }

    @Override
    protected Collection<Parameter> addedParameters() {
        if (extensions.isEmpty()) {
            return List.of();
        }
        List<Parameter> added = new ArrayList<>();
        extensions.values().forEach(extension -> added.addAll(extension.parameters()));
        return added;
    }
}
