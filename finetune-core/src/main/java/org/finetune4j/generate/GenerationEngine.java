package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.grammar.AllowedTokens;
import org.finetune4j.generate.grammar.AnswerGrammar;
import org.finetune4j.model.CausalLM;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Answers requests in one batch whose rows come and go: every pass of the model computes one token of each answer that is
 * under way and reads the prompts of those that begin, and the next request takes the place of an answer that has ended. What
 * an answer is does not depend on its neighbours: each has its own settings, seed, adapter and end.
 *
 * <pre>{@code
 * try (GenerationEngine engine = GenerationEngine.of(model)) {
 *     GenerationOptions options = GenerationOptions.builder().temperature(1).numReturnSequences(8).logprobs(0).build();
 *     List<Rollout> rollouts = engine.generate(List.of(GenerationRequest.of(prompt, options)));
 * }
 * }</pre>
 *
 * Any thread may submit requests, and several may compute: they take turns by passes. The engine keeps nothing of the weights but
 * keys and values of answers under way, copies that are made anew where weights have changed, and what {@link
 * GenerationLimits#prefixBytes()} says: with 0, weights may change while there are no answers, as between the steps of a training. It
 * holds native memory: close it.
 */
public final class GenerationEngine implements AutoCloseable {

    private final OptionsResolver resolver;
    private final GenerationLimits limits;
    private final BatchDecoder decoder;
    private final @Nullable Long tokenBytes;
    private final ReentrantLock turn = new ReentrantLock();
    private final AllowedTokens.Cache allowed = new AllowedTokens.Cache();
    private final GenerationQueue queue;
    private boolean computing;
    private volatile boolean closed;

    GenerationEngine(OptionsResolver resolver, GenerationLimits limits) {
        this.resolver = resolver;
        this.limits = limits;
        if (limits.cacheBytes() == Long.MAX_VALUE && limits.prefixBytes() == 0) {
            this.tokenBytes = null;
            this.decoder = new BatchDecoder(resolver.model(), Long.MAX_VALUE, 0, limits.packedBytes());
        } else {
            long bytes = KeyValueSize.ofToken(resolver.model());
            this.tokenBytes = bytes;
            this.decoder = new BatchDecoder(
                    resolver.model(), limits.cacheBytes() / bytes, limits.prefixBytes() / bytes, limits.packedBytes());
        }
        this.queue = new GenerationQueue(decoder);
    }

    /**
     * The tokens that end an answer unless its options name others.
     *
     * @param model with its files
     * @return their ids; none where neither its configurations nor its tokenizer name one
     */
    public static Set<Integer> endTokens(CausalLM model) {
        return new OptionsResolver(model).stopTokens();
    }

    /**
     * An engine with the usual limits.
     *
     * @param model stays the caller's
     * @return the engine, to be closed
     */
    public static GenerationEngine of(CausalLM model) {
        return of(model, GenerationLimits.defaults());
    }

    /**
     * An engine.
     *
     * @param model stays the caller's
     * @param limits what it may use
     * @return the engine, to be closed
     */
    public static GenerationEngine of(CausalLM model, GenerationLimits limits) {
        return new GenerationEngine(new OptionsResolver(model), Objects.requireNonNull(limits, "limits"));
    }

    /**
     * Answers requests, and whatever other threads have submitted meanwhile.
     *
     * @param requests any number
     * @return the answers to the first request, then those to the second, and so on
     * @throws UserErrorException when a request cannot be answered, or an answer failed; the other answers are cancelled
     * @throws IllegalStateException when the engine is closed
     */
    public List<Rollout> generate(List<GenerationRequest> requests) {
        List<GenerationHandle> handles = new ArrayList<>();
        try {
            requests.forEach(request -> handles.add(submit(request)));
            return finish(handles);
        } catch (RuntimeException | Error e) {
            handles.forEach(GenerationHandle::cancel);
            throw e;
        }
    }

    /** Computes until these requests are answered; what an answer failed of is thrown. */
    List<Rollout> finish(List<GenerationHandle> handles) {
        while (!handles.stream().allMatch(GenerationHandle::isDone)) {
            step();
            for (GenerationHandle handle : handles) {
                RuntimeException failure = handle.failure();
                if (failure != null) {
                    throw failure;
                }
            }
        }
        List<Rollout> all = new ArrayList<>();
        handles.forEach(handle -> all.addAll(handle.rollouts()));
        return all;
    }

    /**
     * Takes a request, which {@link #step} then works on. Any thread may call this, listeners too.
     *
     * @param request what is to be answered
     * @return its answers to be
     * @throws UserErrorException when the request cannot be answered: it does not fit the model or, by itself, the cache
     * @throws IllegalStateException when the engine is closed
     */
    public GenerationHandle submit(GenerationRequest request) {
        RowAdapterChoice choice = request.adapters() == null ? null : new RowAdapterChoice(request.adapters(), 0, 1);
        return submit(request, choice, null);
    }

    /**
     * Takes a request.
     *
     * @param choice which adapter the answers use
     * @param kept a row that goes on and stays, instead of one of the request's own
     */
    GenerationHandle submit(GenerationRequest request, @Nullable RowAdapterChoice choice, @Nullable DecoderRow kept) {
        requireOpen();
        GenerationOptions options = resolver.complete(request.options(), request.prompt().length);
        if (options.numBeams() > 1) {
            throw new UserErrorException(
                    "beam search follows all beams at once: num_beams must be 1 here, not " + options.numBeams());
        }
        int tokens = request.prompt().length + options.maxNewTokens();
        if (!decoder.canHold(tokens)) {
            throw new UserErrorException("a request of " + tokens + " tokens, prompt and answer, needs "
                    + tokens * Objects.requireNonNullElse(tokenBytes, 0L)
                    + " bytes of keys and values: the cache may have no more than " + limits.cacheBytes());
        }
        List<RunningSequence> sequences = new ArrayList<>();
        for (int answer = 0; answer < options.numReturnSequences(); answer++) {
            DecoderRow row = kept == null ? new DecoderRow(new TokenSequence(request.prompt()), choice) : kept;
            row.beginWith(options.taskId());
            sequences.add(sequence(answer, request, options, row));
        }
        GenerationHandle handle = new GenerationHandle(sequences);
        queue.submit(GenerationWork.ofOnePrompt(sequences, handle, kept != null, request.sharing()));
        if (closed) { // by another thread, which may not have seen these
            inTurn(queue::cancelAll);
            requireOpen();
        }
        return handle;
    }

    private RunningSequence sequence(int answer, GenerationRequest request, GenerationOptions options, DecoderRow row) {
        Set<Integer> stops = options.stopTokens() == null ? Set.of() : options.stopTokens();
        GenerationListener listener = request.listener();
        CausalLM model = resolver.model();
        GeneratedText text = model.hasTokenizer()
                ? new GeneratedText(
                        model.tokenizer(), options.stopStrings(), stops, piece -> listener.onText(answer, piece))
                : null;
        if (text != null && request.continues()) {
            text.follow(request.prompt());
        }
        AnswerGrammar wanted = options.grammar();
        GrammarRule grammar = wanted == null ? null : new GrammarRule(wanted, allowed.of(model.tokenizer()), stops);
        List<LogitsProcessor> rules = new ArrayList<>(LogitsProcessor.of(options, stops));
        if (grammar != null) {
            rules.add(0, grammar);
        }
        return new RunningSequence(
                answer,
                options,
                new TokenSampler(options, rules, request.firstStream() + answer),
                text,
                !options.stopStrings().isEmpty() || listener != GenerationListener.NONE,
                listener,
                row,
                grammar);
    }

    /**
     * Makes now what the first answer would wait for: copies of the weights, see {@link GenerationLimits#packedBytes()}.
     *
     * @throws IllegalStateException when the engine is closed
     */
    public void prepare() {
        inTurn(() -> {
            requireOpen();
            decoder.prepare();
        });
    }

    /**
     * Runs the model once: every answer under way gets one token, and those that there is room for begin.
     *
     * @return whether there is more to do
     * @throws IllegalStateException when the engine is closed, or a listener calls this
     */
    public boolean step() {
        turn.lock();
        try {
            requireOpen();
            if (computing) {
                throw new IllegalStateException("a listener cannot compute: it is called by who does");
            }
            computing = true;
            try {
                pass();
            } finally {
                computing = false;
                if (closed) { // by a listener, or by a thread that waits for this one
                    free();
                }
            }
            return queue.hasWork();
        } finally {
            turn.unlock();
        }
    }

    private void pass() {
        queue.admit(limits.maxRows());
        List<GenerationWork> reading = queue.reading();
        if (reading.isEmpty()) {
            return;
        }
        try (TensorScope scope = TensorScope.open()) {
            BatchDecoder.Scores read =
                    decoder.read(reading.stream().map(GenerationWork::row).toList(), limits.tokensPerPass());
            queue.sharePrompts();
            if (read.scores() != null) {
                List<RunningSequence> sequences = reading.stream()
                        .map(GenerationWork::sequence)
                        .filter(sequence -> sequence.row().isRead())
                        .toList();
                BatchSampler.choose(sequences, read.scores());
            }
            queue.rememberPrompts(reading);
        }
        queue.releaseFinished();
    }

    /** {@return what the keys and values of all answers under way take, room to spare included, in bytes} */
    public long cacheBytes() {
        turn.lock();
        try {
            return decoder.bytes();
        } finally {
            turn.unlock();
        }
    }

    /** {@return what copies of weights take, see {@link GenerationLimits#packedBytes()}, in bytes} */
    public long packedBytes() {
        turn.lock();
        try {
            return decoder.packedBytes();
        } finally {
            turn.unlock();
        }
    }

    /** {@return what keys and values take that are kept for later requests, in bytes} */
    public long prefixBytes() {
        turn.lock();
        try {
            return decoder.prefixBytes();
        } finally {
            turn.unlock();
        }
    }

    /**
     * Cancels all answers and frees all keys and values. The engine can be used on.
     *
     * @throws IllegalStateException when the engine is closed, or a listener calls this
     */
    public void reset() {
        inTurn(() -> {
            requireOpen();
            if (computing) {
                throw new IllegalStateException("a listener cannot take away what is being computed: cancel requests");
            }
            queue.cancelAll();
            decoder.trim();
            decoder.forgetPrefixes();
        });
    }

    private void inTurn(Runnable action) {
        turn.lock();
        try {
            action.run();
        } finally {
            turn.unlock();
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("generation engine used after close");
        }
    }

    /** Cancels all answers and frees all memory, after a pass that another thread has under way. Closing twice is fine. */
    @Override
    public void close() {
        closed = true;
        inTurn(() -> {
            if (!computing) { // else by a listener: then at the end of the pass
                free();
            }
        });
    }

    private void free() {
        queue.cancelAll();
        decoder.close();
    }
}
