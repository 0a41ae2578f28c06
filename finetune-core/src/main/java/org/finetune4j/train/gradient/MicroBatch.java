package org.finetune4j.train.gradient;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadBalancing;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.ModelSegments;
import org.finetune4j.model.Segment;
import org.finetune4j.model.Segment.Gradients;
import org.finetune4j.model.SegmentChain;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.nn.Portion;
import org.finetune4j.nn.RouterListener;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * One batch on its way through a model's segments: the embedding is number 0, then come the layers, the last one is the loss.
 * It runs forwards over ranges of them, at whatever times, and backwards over the same ranges in the reverse order; other
 * batches may do so in between. Whoever has run every range backwards calls {@link #finish}.
 *
 * <pre>{@code
 * SegmentOutput first = batch.forward(0, k, batch.tokens(), Gradients.OF_PARAMETERS);
 * SegmentOutput second = batch.forward(k, batch.segments(), first.tensor(), Gradients.OF_INPUT);
 * first.backward(second.backward(null));
 * batch.finish();
 * }</pre>
 */
public final class MicroBatch implements AutoCloseable {

    private final MicroBatches all;
    private final ModelInputs inputs;
    private final LossHead head;
    private final SharedInputs shared = new SharedInputs();
    private final @Nullable LoadBalancingLoss balance;
    private final @Nullable PassDraws draws;
    private final @Nullable Portion portion;
    private final SequenceContext context;
    private final Tensor tokens;

    MicroBatch(MicroBatches all, ModelInputs inputs, LossHead head, BatchPart part) {
        CausalLM model = all.model();
        this.all = all;
        this.inputs = inputs;
        this.head = head;
        this.draws = part.seed() == null ? null : new PassDraws(part.seed(), all.draws());
        this.portion = part.portion();
        TrainedPrompt prompt = drawn(PassDraws.BEFORE, () -> TrainedPrompt.of(model, inputs, all.dropout(), shared));
        this.balance = balance(model, prompt.routed(inputs), head.share(), part);
        SequenceContext first = all.segments()
                .context(model.context(inputs, prompt.prompt()))
                .withDropout(all.dropout().ofPortion(portion));
        SequenceContext plain = drawn(
                PassDraws.BEFORE - 1, () -> all.segments().secondPass(first, scales(all.segments(), inputs, first)));
        ExpertCounts experts = all.experts();
        RouterListener counting = experts == null ? null : experts.of(prompt.routed(inputs), part.counts());
        RouterListener listener = counting == null ? balance : new RouterListeners(counting, balance);
        this.context = listener == null ? plain : plain.withRouterListener(listener);
        this.tokens = model.inputIds(inputs);
    }

    private <T> T drawn(int number, Supplier<T> work) {
        return draws == null ? work.get() : draws.during(number, work);
    }

    private Segment drawing(int number, Segment segment) {
        return draws == null ? segment : draws.of(number, segment);
    }

    /** What a method makes of a first pass, as leaves that the layers read. */
    private @Nullable Tensor scales(ModelSegments segments, ModelInputs tokens, SequenceContext context) {
        try (Autograd.Mode mode = Autograd.enabled()) {
            Tensor made = segments.firstPass(tokens, context);
            return made == null ? null : shared.leaf(made);
        }
    }

    /** The extra loss of a mixture of experts, where the configuration asks for it. */
    private static @Nullable LoadBalancingLoss balance(
            CausalLM model, ModelInputs routed, double share, BatchPart part) {
        LoadBalancing settings = model.network().loadBalancing();
        return settings == null || !settings.addsToLoss()
                ? null
                : new LoadBalancingLoss(settings, routed, model.device(), share, part);
    }

    /** {@return how many segments there are, embedding and loss among them} */
    public int segments() {
        return all.segments().layers().size() + 2;
    }

    /** {@return what the first segment is given, [batch, seq] int64} */
    public Tensor tokens() {
        return tokens;
    }

    /**
     * Runs a range of segments.
     *
     * @param from the first one
     * @param to the one after the last
     * @param input {@link #tokens} for the embedding, else what the segment before {@code from} gave; taken over where the
     *     range is recorded
     * @param gradients what the backward run will be asked for: {@code OF_INPUT} if anything before {@code from} trains
     * @return the output; recorded where anything in the range, or before it, trains
     * @throws IndexOutOfBoundsException when there is no such range
     */
    public SegmentOutput forward(int from, int to, Tensor input, Gradients gradients) {
        return range(from, to).forward(input, context, gradients);
    }

    private SegmentChain range(int from, int to) {
        Objects.checkIndex(from, to);
        Objects.checkFromToIndex(from, to, segments());
        ModelSegments model = all.segments();
        List<Segment> chain = new ArrayList<>();
        int next = from;
        if (next == 0) {
            chain.add(drawing(0, new NoisySegment(model.embedding(), all.noise(), portion)));
            next++;
        }
        int layers = model.layers().size();
        List<Segment> middle = new ArrayList<>();
        for (int number = next; number < Math.min(to, layers + 1); number++) {
            middle.add(drawing(number, model.layers().get(number - 1)));
        }
        chain.addAll(all.groupSize() == 0 ? middle : checkpointed(middle));
        if (to == segments()) {
            chain.add(drawing(to - 1, new LossSegment(head, inputs, all.model().network(), model.residency())));
        }
        return new SegmentChain(chain);
    }

    private List<Segment> checkpointed(List<Segment> layers) {
        List<Segment> groups = new ArrayList<>();
        for (int start = 0; start < layers.size(); start += all.groupSize()) {
            int end = Math.min(start + all.groupSize(), layers.size());
            groups.add(new CheckpointedSegment(layers.subList(start, end), all.files()));
        }
        return groups;
    }

    /**
     * The extra loss that routers of a mixture of experts added, over the layers that have run.
     *
     * @return 0 where there is none
     */
    public double extraLoss() {
        return balance == null ? 0 : balance.shared();
    }

    /**
     * What the routers of a mixture of experts have done with the batch so far: the process that runs the next range of segments
     * takes it over.
     *
     * @return numbers, as many for every batch; none where there is no extra loss
     */
    public double[] routed() {
        return balance == null ? new double[0] : balance.sent();
    }

    /**
     * Takes over what the segments before did in another process, before those here run.
     *
     * @param soFar what {@link #routed} gave there
     */
    public void routed(double[] soFar) {
        if (balance != null) {
            balance.sent(soFar);
        }
    }

    /**
     * What routers of all layers did together, by which the extra loss goes back; asked for where the last segment ran.
     *
     * @return numbers, as many for every batch; none where there is no extra loss
     */
    public double[] routedByAll() {
        return balance == null ? new double[0] : balance.settled();
    }

    /**
     * Takes over what routers of all layers did together, before segments go back.
     *
     * @param all what {@link #routedByAll} gave there
     */
    public void routedByAll(double[] all) {
        if (balance != null) {
            balance.settle(all);
        }
    }

    /** Adds the gradients of what all layers share, such as virtual tokens, to the parameters that made them. */
    public void finish() {
        shared.backward();
    }

    /** Frees what the batch's extra loss needs to go back. */
    @Override
    public void close() {
        if (balance != null) {
            balance.close();
        }
    }
}
