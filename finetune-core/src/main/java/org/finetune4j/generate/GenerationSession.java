package org.finetune4j.generate;

import java.util.Arrays;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.tensor.Autograd;
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
 * It holds native memory: close it. It ends where the model is closed or changed.
 */
public final class GenerationSession implements AutoCloseable {

    private final TextGenerator generator;
    private final CachedDecoder decoder;
    private int[] read = new int[0];
    private int computed;
    private boolean closed;

    GenerationSession(TextGenerator generator, CausalLM model, @Nullable RowAdapters rowAdapters) {
        this.generator = generator;
        this.decoder = new CachedDecoder(model, rowAdapters, 256);
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
        return generate(generator.encode(text), options, onText);
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
        GenerationOptions complete = generator.complete(options, tokens.length);
        if (complete.numBeams() > 1 || complete.numReturnSequences() > 1) {
            throw new UserErrorException(
                    "a session continues one sequence: num_beams and num_return_sequences must be 1");
        }
        int known = Math.min(commonBeginning(tokens), tokens.length - 1);
        int[] rest = Arrays.copyOfRange(tokens, known, tokens.length);
        computed = rest.length;
        read = Arrays.copyOf(read, known);
        decoder.truncate(known);
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onText(int sequence, String piece) {
                onText.accept(piece);
            }
        };
        try (Autograd.Mode mode = Autograd.disabled()) {
            Completion completion = generator.loop(complete, listener).runFrom(tokens, rest, decoder);
            // The last token was chosen, not read.
            int[] all = Arrays.copyOf(tokens, decoder.length());
            int[] added = completion.tokens();
            System.arraycopy(added, 0, all, tokens.length, all.length - tokens.length);
            read = all;
            return completion;
        }
    }

    /** {@return how many tokens of the last call's text had to be computed} */
    public int computedTokens() {
        return computed;
    }

    private int commonBeginning(int[] tokens) {
        int mismatch = Arrays.mismatch(read, tokens);
        return mismatch < 0 ? tokens.length : mismatch;
    }

    /** Frees the keys and values, after a call that another thread has under way. */
    @Override
    public synchronized void close() {
        closed = true;
        decoder.close();
    }
}
