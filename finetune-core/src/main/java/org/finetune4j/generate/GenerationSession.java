package org.finetune4j.generate;

import java.util.List;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.RowAdapters;
import org.jspecify.annotations.Nullable;

/**
 * Continues a text again and again as it grows, as in a conversation. The session keeps the keys and values of what the
 * model has read: a call computes only the tokens from the first one that differs from the call before.
 *
 * <pre>{@code
 * try (GenerationSession session = TextGenerator.of(model).session()) {
 *     String answer = session.generate(conversation, options, System.out::print).text();
 * }
 * }</pre>
 *
 * It holds native memory: close it. Where the model was changed in between (an adapter, a training), all of the text is read again; it ends where the
 * model is closed.
 */
public final class GenerationSession implements AutoCloseable {

    private final CausalLM model;
    private final OptionsResolver resolver;
    private final GenerationEngine engine;
    private final @Nullable RowAdapterChoice choice;
    private final DecoderRow row;
    private int computed;
    private long modelChanges;
    private volatile boolean closed;

    GenerationSession(CausalLM model, OptionsResolver resolver, @Nullable RowAdapters rowAdapters) {
        this.model = model;
        this.resolver = resolver;
        this.engine = new GenerationEngine(resolver, GenerationLimits.defaults().withMaxRows(1));
        this.choice = rowAdapters == null ? null : new RowAdapterChoice(rowAdapters, 0, 1);
        this.row = new DecoderRow(new TokenSequence(new int[0]), choice);
    }

    /**
     * Continues a text.
     *
     * @param text all of it, the earlier turns included
     * @param options how to continue
     * @param onText is given every piece of the continuation as soon as it is complete
     * @return the continuation
     */
    public Completion generate(String text, GenerationOptions options, Consumer<String> onText) {
        return generate(model.tokenizer().encode(text, true), options, onText);
    }

    /**
     * Continues token ids.
     *
     * @param tokens all of them, the earlier turns included
     * @param options how to continue
     * @param onText is given every piece of the continuation as soon as it is complete
     * @return the continuation
     * @throws IllegalStateException when the session is closed
     * @throws UserErrorException when beams or several continuations are asked for, or the tokens do not fit the model
     */
    public synchronized Completion generate(int[] tokens, GenerationOptions options, Consumer<String> onText) {
        if (closed) {
            throw new IllegalStateException("session used after close");
        }
        GenerationOptions complete = resolver.complete(options, tokens.length);
        if (complete.numBeams() > 1 || complete.numReturnSequences() > 1) {
            throw new UserErrorException(
                    "a session continues one sequence: num_beams and num_return_sequences must be 1");
        }
        long changes = model.changes();
        int common = changes == modelChanges ? commonBeginning(tokens) : 0;
        modelChanges = changes;
        int known = Math.min(common, tokens.length - 1); // the last token is read for its scores
        computed = tokens.length - known;
        row.continueAs(new TokenSequence(tokens), known);
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onText(int answer, String piece) {
                onText.accept(piece);
            }
        };
        GenerationRequest request = GenerationRequest.of(tokens, complete).withListener(listener);
        return engine.finish(List.of(engine.submit(request, choice, row)))
                .get(0)
                .completion(0);
    }

    /** {@return how many tokens of the last call's text had to be computed} */
    public int computedTokens() {
        return computed;
    }

    private int commonBeginning(int[] tokens) {
        int common = 0;
        while (common < Math.min(row.read(), tokens.length) && row.tokens().get(common) == tokens[common]) {
            common++;
        }
        return common;
    }

    /** Frees the keys and values, after a call that another thread has under way. */
    @Override
    public synchronized void close() {
        closed = true;
        engine.close();
    }
}
