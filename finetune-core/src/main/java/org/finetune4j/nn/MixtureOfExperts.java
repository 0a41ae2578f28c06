package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * A feed-forward block in which a router sends every token to a few of many experts and adds up what they give, weighted
 * by the router's probabilities (Shazeer et al. 2017, Jiang et al. 2024). Tokens are grouped by expert: each expert runs
 * once on all of its tokens.
 */
public class MixtureOfExperts extends FeedForward {

    /**
     * Sizes and rules of a block.
     *
     * @param experts number of experts
     * @param perToken how many of them a token is sent to
     * @param renormalise whether the weights of the chosen ones are scaled to sum to 1
     * @param inner size between an expert's projections
     * @param names what an expert's projections are called, where they are three
     */
    public record Settings(int experts, int perToken, boolean renormalise, long inner, GatedFeedForward.Names names) {}

    /**
     * What differs between the mixtures' parts.
     *
     * @param router what the checkpoint calls the router
     * @param routerBias whether it has a bias
     * @param expert makes an expert of its weights
     */
    public record Parts(String router, boolean routerBias, Function<Weights, GatedBlock> expert) {}

    private final Linear router;
    private final List<GatedBlock> experts = new ArrayList<>();
    private final Settings settings;
    private final String routerName;
    private final int layer;
    private @Nullable ParallelRegion region;
    private @Nullable SequenceDivision stream;
    private @Nullable ExpertExchange exchange;

    /**
     * Reads {@code gate} and {@code experts.i}; {@code layer} is the number of the layer they belong to.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param settings of the router
     * @param activation applied to the gate
     * @param layer number of the layer in the model, from 0
     * @param init what a new model starts with
     */
    public MixtureOfExperts(
            Weights weights, long hidden, Settings settings, Activation activation, int layer, Initialization init) {
        this(
                weights,
                hidden,
                settings,
                new Parts(
                        "gate",
                        false,
                        own -> new GatedFeedForward(
                                own, settings.names, hidden, settings.inner, false, activation, init)),
                layer,
                init);
    }

    /**
     * Reads a router and {@code experts.i} of any kind; {@code layer} is the number of the layer they belong to.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param settings of the router
     * @param parts the router's name and the experts
     * @param layer number of the layer in the model, from 0
     * @param init what a new model starts with
     */
    public MixtureOfExperts(
            Weights weights, long hidden, Settings settings, Parts parts, int layer, Initialization init) {
        this.settings = settings;
        this.layer = layer;
        this.routerName = parts.router;
        this.router =
                child(routerName, Linear.of(weights.at(routerName), hidden, settings.experts, parts.routerBias, init));
        for (int i = 0; i < settings.experts; i++) {
            experts.add(child("experts." + i, parts.expert.apply(weights.at("experts", i))));
        }
    }

    /** {@return the experts, in the order of the router's outputs} */
    public final List<GatedBlock> experts() {
        return List.copyOf(experts);
    }

    /** {@return the layer that says which experts calculate for a token, [experts, hidden]} */
    public final Linear router() {
        return router;
    }

    /** {@return what the checkpoint calls the router} */
    public final String routerName() {
        return routerName;
    }

    /** {@return which share of the experts calculates for a token} */
    public final double shareOfExperts() {
        return settings.perToken / (double) settings.experts;
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        return Map.of(routerName, DividedFeatures.nothing());
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context) {
        SequenceDivision division = stream;
        if (division == null) {
            return forward(x, x, context, region);
        }
        Tensor all = division.enter(x); // [batch, seq, hidden]
        return division.leave(forward(all, division.alike(all), context, null));
    }

    /**
     * Which experts the tokens are sent to.
     *
     * @param probabilities [tokens, experts], what losses that balance the experts are made of
     * @param weights [tokens, perToken], of what the chosen ones give
     * @param experts [tokens, perToken] int64
     */
    protected record Choice(Tensor probabilities, Tensor weights, Tensor experts) {}

    /**
     * Chooses: the most probable ones, by the softmax of what the router says.
     *
     * @param logits [tokens, experts], float32 or wider
     * @return the choice
     */
    protected Choice choose(Tensor logits) {
        Tensor probabilities = logits.softmax(-1);
        Functional.TopK best = Functional.topK(probabilities, settings.perToken);
        Tensor weights = best.values(); // [tokens, perToken]
        return new Choice(
                probabilities, settings.renormalise ? weights.div(weights.sum(-1, true)) : weights, best.indices());
    }

    /** {@return sizes and rules} */
    protected final Settings settings() {
        return settings;
    }

    /**
     * @param x what experts are given, of which the shares are added up in {@code shared}
     * @param routed the same for the router
     */
    private Tensor forward(Tensor x, Tensor routed, SequenceContext context, @Nullable ParallelRegion shared) {
        long hidden = x.size(-1);
        Tensor tokens = x.reshape(-1, hidden); // [tokens, hidden]
        // Tokens of all rows are still all of them, one row after the other.
        SequenceContext byThemselves = context.withoutRows().withDropout(context.dropout());
        Tensor logits = router.forward(routed.reshape(-1, hidden), byThemselves); // [tokens, experts]
        Choice choice = choose(logits.to(logits.dtype().atLeastFloat32()));
        RouterListener listener = context.routerListener();
        if (listener != null) {
            listener.routed(layer, logits, choice.probabilities, choice.experts);
        }
        long[] chosen = choice.experts.toLongArray();
        Tensor weights = choice.weights.to(x.dtype());
        Tensor mixed = region == null ? weights : region.enter(weights);
        if (shared == null) {
            return mix(tokens, mixed, chosen, byThemselves).view(x.shape());
        }
        return shared.leave(mix(shared.enter(tokens), mixed, chosen, byThemselves))
                .view(x.shape());
    }

    /**
     * Lets the experts be one process's share of the checkpoint's: what they give are summands. The router is whole.
     *
     * @param shared by the processes
     */
    public final void divide(ParallelRegion shared) {
        region = shared;
    }

    /**
     * Lets what enters the block be some of the tokens.
     *
     * @param tokens brings them together
     */
    public final void divideSequence(SequenceDivision tokens) {
        stream = tokens;
    }

    /**
     * Lets other processes have some of the experts: this one has the parameters of its own only.
     *
     * @param sharers the processes
     */
    public final void shareExperts(ExpertExchange sharers) {
        exchange = sharers;
    }

    /**
     * @param weights [tokens, perToken]
     * @param chosen row-major [tokens, perToken]
     * @return [tokens, hidden]
     */
    private Tensor mix(Tensor tokens, Tensor weights, long[] chosen, SequenceContext context) {
        int[] starts = starts(chosen);
        long[] slots = slotsByExpert(chosen, starts);
        long[] rows = new long[slots.length];
        for (int i = 0; i < slots.length; i++) {
            rows[i] = slots[i] / settings.perToken;
        }
        Tensor slotIndex = Tensors.of(slots, slots.length).to(tokens.device()); // [tokens * perToken]
        Tensor rowIndex = Tensors.of(rows, rows.length).to(tokens.device());
        Tensor grouped = tokens.indexSelect(0, rowIndex); // [tokens * perToken, hidden]
        Tensor weighted = expertsOf(
                        grouped, rows, tokens.size(0), starts, context) // [tokens * perToken, hidden], by expert
                .mul(weights.reshape(-1).indexSelect(0, slotIndex).unsqueeze(1));
        return Tensors.zeros(tokens.dtype(), tokens.device(), tokens.shape()).indexAddInPlace(0, rowIndex, weighted);
    }

    /**
     * What the experts give for the tokens that were sent to them: [tokens * perToken, hidden], grouped by expert.
     *
     * @param rows whose tokens these are, of so many
     */
    private Tensor expertsOf(Tensor grouped, long[] rows, long tokenCount, int[] starts, SequenceContext context) {
        ExpertExchange sharers = exchange;
        if (sharers != null) {
            long[] counts = new long[settings.experts];
            Arrays.setAll(counts, expert -> starts[expert + 1] - starts[expert]);
            ExpertDispatch dispatch = new ExpertDispatch(sharers, counts, grouped);
            Tensor given = dispatch.run(
                    grouped,
                    Autograd.isEnabled() && (grouped.requiresGrad() || isTrained()),
                    ofSent(sharers, dispatch, grouped.device(), rows, tokenCount, context));
            return withIdle(given, dispatch.idle());
        }
        List<Tensor> outputs = new ArrayList<>();
        List<Integer> idle = new ArrayList<>();
        Dropout dropout = context.dropout();
        long seed = dropout.isOn() ? RandomGenerator.current().next() : 0;
        for (int expert = 0; expert < settings.experts; expert++) {
            int count = starts[expert + 1] - starts[expert];
            if (count > 0) {
                long[] own = Arrays.copyOfRange(rows, starts[expert], starts[expert + 1]);
                SequenceContext ofOwn = context.withDropout(dropout.ofPortion(Portion.ofTokens(own, tokenCount)));
                outputs.add(run(expert, grouped.narrow(0, starts[expert], count), ofOwn, seed));
            } else {
                idle.add(expert);
            }
        }
        return withIdle(Tensors.cat(outputs, 0), idle);
    }

    /**
     * Gives the weights of experts that got no token a gradient of 0: transformers has all experts' in one tensor, so that moments and
     * decay move those, too.
     */
    private Tensor withIdle(Tensor outputs, List<Integer> idle) {
        Tensor nothing = null;
        if (Autograd.isEnabled()) {
            for (int expert : idle) {
                for (Parameter parameter : experts.get(expert).allParameters()) {
                    if (parameter.isTrainable()) {
                        Tensor none =
                                parameter.value().reshape(-1).narrow(0, 0, 0).sum();
                        nothing = nothing == null ? none : nothing.add(none);
                    }
                }
            }
        }
        return nothing == null ? outputs : outputs.add(nothing.to(outputs.dtype()));
    }

    /** What an expert draws does not depend on whether those before it have tokens. */
    private Tensor run(int expert, Tensor tokens, SequenceContext context, long seed) {
        try (RandomGenerator.Use draws =
                RandomGenerator.current().branch(seed + expert).use()) {
            return experts.get(expert).forward(tokens, context);
        }
    }

    /**
     * An expert whose tokens come from other processes too. Where it drops, it does so for each process by itself, whose random numbers
     * and tokens' places in its batch come with the tokens: what is dropped is what that process would drop.
     */
    private ExpertDispatch.Expert ofSent(
            ExpertExchange sharers,
            ExpertDispatch dispatch,
            Device device,
            long[] rows,
            long tokenCount,
            SequenceContext context) {
        SequenceContext plain = context.withoutRows();
        Dropout dropout = context.dropout();
        if (!dropout.isOn()) {
            return (expert, tokens, arrived) -> experts.get(expert).forward(tokens, plain);
        }
        long[] seeds = sharers.counts(new long[] {RandomGenerator.current().next()}, device);
        long[] batches = sharers.counts(new long[] {dropout.tokensOfAll(tokenCount)}, device);
        long[] inBatch = dropout.places(tokenCount);
        long[] places =
                dispatch.sent(Arrays.stream(rows).map(row -> inBatch[(int) row]).toArray(), device);
        return (expert, tokens, arrived) -> {
            List<Tensor> outputs = new ArrayList<>();
            int at = 0;
            for (int from = 0; from < arrived.counts().length; from++) {
                int count = arrived.counts()[from];
                if (count > 0) {
                    int start = arrived.start() + at;
                    Portion own = Portion.ofTokens(Arrays.copyOfRange(places, start, start + count), batches[from]);
                    SequenceContext ofOwn = plain.withDropout(dropout.byItself().ofPortion(own));
                    outputs.add(run(expert, tokens.narrow(0, at, count), ofOwn, seeds[from]));
                    at += count;
                }
            }
            return Tensors.cat(outputs, 0);
        };
    }

    /** Whether any expert trains: the same in all processes, which have at least an empty part of each. */
    private boolean isTrained() {
        return experts.stream().anyMatch(expert -> !expert.trainableParameters().isEmpty());
    }

    /** Where each expert's slots begin when they are sorted by expert; the last entry is their number. */
    private int[] starts(long[] chosen) {
        int[] starts = new int[settings.experts + 1];
        for (long expert : chosen) {
            starts[(int) expert + 1]++;
        }
        for (int i = 0; i < settings.experts; i++) {
            starts[i + 1] += starts[i];
        }
        return starts;
    }

    /** The slots 0 .. tokens * perToken, sorted by expert (a counting sort, which keeps the order of the tokens). */
    private static long[] slotsByExpert(long[] chosen, int[] starts) {
        int[] next = starts.clone();
        long[] slots = new long[chosen.length];
        for (int slot = 0; slot < chosen.length; slot++) {
            slots[next[(int) chosen[slot]]++] = slot;
        }
        return slots;
    }
}
