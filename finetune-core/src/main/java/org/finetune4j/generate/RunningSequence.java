package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.grammar.GrammarException;
import org.jspecify.annotations.Nullable;

/** One answer while it grows. */
final class RunningSequence {

    /** How the next token is chosen. */
    enum Choice {
        /** The likeliest one. */
        LIKELIEST,
        /** Drawn from all of them by temperature. */
        DRAWN,
        /** By everything that the options say, from the scores on the heap. */
        BY_SCORES
    }

    private final int number;
    private final GenerationOptions options;
    private final Set<Integer> stops;
    private final TokenSampler sampler;
    private final @Nullable GeneratedText text;
    private final boolean streams;
    private final GenerationListener listener;
    private final DecoderRow row;
    private final @Nullable GrammarRule grammar;
    private float[] logprobs = {};
    private float[] sampledLogprobs = {};
    private final List<List<TokenLogprob.Candidate>> likeliest = new ArrayList<>();
    private @Nullable FinishReason finished;
    private @Nullable RuntimeException failure;
    private volatile boolean cancelled;

    /**
     * @param number of the answer among those of its request
     * @param text of a model with a tokenizer
     * @param streams whether the text has to be known while it grows
     * @param grammar one of the sampler's rules, which follows the answer; or null
     */
    RunningSequence(
            int number,
            GenerationOptions options,
            TokenSampler sampler,
            @Nullable GeneratedText text,
            boolean streams,
            GenerationListener listener,
            DecoderRow row,
            @Nullable GrammarRule grammar) {
        this.number = number;
        this.options = options;
        this.stops = options.stopTokens() == null ? Set.of() : options.stopTokens();
        this.sampler = sampler;
        this.text = text;
        this.streams = streams;
        this.listener = listener;
        this.row = row;
        this.grammar = grammar;
    }

    int number() {
        return number;
    }

    DecoderRow row() {
        return row;
    }

    TokenSampler sampler() {
        return sampler;
    }

    GenerationOptions options() {
        return options;
    }

    boolean isFinished() {
        return finished != null;
    }

    boolean isFailed() {
        return failure != null;
    }

    boolean isCancelled() {
        return cancelled;
    }

    void cancel() {
        cancelled = true;
    }

    /** How many tokens there are at most, the prompt among them. */
    int mostTokens() {
        return row.tokens().length() - row.tokens().newTokens() + options.maxNewTokens();
    }

    boolean reportsLogprobs() {
        return options.logprobs() >= 0;
    }

    /** How the next token is chosen: the sequence's own affair, whoever else is in the batch. */
    Choice choice() {
        boolean bare = grammar == null
                && options.logprobs() <= 0
                && options.repetitionPenalty() == 1
                && options.noRepeatNgramSize() == 0
                && (row.tokens().newTokens() >= options.minNewTokens() || stops.isEmpty());
        if (bare && !options.isSampling()) {
            return Choice.LIKELIEST;
        }
        boolean whole = options.topK() == 0 && options.topP() == 1 && options.minP() == 0 && options.typicalP() == 1;
        return bare && whole ? Choice.DRAWN : Choice.BY_SCORES;
    }

    /** Chooses the next token from the model's scores, which it changes, and takes it. */
    void choose(float[] scores) {
        float[] raw = reportsLogprobs() ? scores.clone() : scores;
        int token;
        try {
            token = sampler.choose(row.tokens(), scores);
        } catch (GrammarException e) { // this answer's: the others go on
            fail(e);
            return;
        }
        if (!Float.isFinite(scores[token])) {
            fail(grammar != null && scores[token] == Float.NEGATIVE_INFINITY ? nothingLeft() : noNumbers());
            return;
        }
        if (!reportsLogprobs()) {
            accept(token, 0, 0);
            return;
        }
        TokenLogprob own = Logprobs.of(raw, token, options.logprobs());
        likeliest.add(own.top());
        double sampled = options.isSampling() ? scores[token] - Scores.logSumExp(scores) : 0;
        accept(token, (float) own.logprob(), (float) sampled);
    }

    private static GrammarException nothingLeft() {
        return new GrammarException("no token is left that the answer's grammar allows: the other settings, such as"
                + " no_repeat_ngram_size and min_new_tokens, have taken away all that could come");
    }

    private UserErrorException noNumbers() {
        return new UserErrorException("the model's scores are no numbers after "
                + row.tokens().length() + " tokens: its weights, or those of an adapter, are broken");
    }

    /** Ends an answer whose scores are no numbers. */
    void failNoNumbers() {
        fail(noNumbers());
    }

    /**
     * Takes a token that was chosen; where the listener fails, it ends this answer alone.
     *
     * @param logprob as the model has it
     * @param sampledLogprob among those that it was drawn from
     */
    void accept(int token, float logprob, float sampledLogprob) {
        int at = row.tokens().newTokens();
        row.tokens().add(token);
        if (grammar != null) {
            grammar.accept(token);
        }
        if (reportsLogprobs()) {
            if (at == logprobs.length) {
                logprobs = Arrays.copyOf(logprobs, 2 * at + 16);
                sampledLogprobs = Arrays.copyOf(sampledLogprobs, 2 * at + 16);
            }
            logprobs[at] = logprob;
            sampledLogprobs[at] = sampledLogprob;
        }
        try {
            listener.onToken(number, token);
            if (reportsLogprobs() && listener != GenerationListener.NONE) {
                listener.onLogprob(
                        number,
                        new TokenLogprob(token, logprob, options.logprobs() > 0 ? likeliest.get(at) : List.of()));
            }
            boolean stopString = streams && text != null && text.push(token);
            if (stopString || stops.contains(token) || (grammar != null && grammar.isOver())) {
                finished = FinishReason.STOP;
            } else if (row.tokens().newTokens() >= options.maxNewTokens()) {
                finished = FinishReason.LENGTH;
            }
        } catch (Throwable e) { // whatever it is: the other answers of the batch are half-way through a step
            fail(asException(e));
        }
    }

    private static RuntimeException asException(Throwable thrown) {
        return thrown instanceof RuntimeException exception
                ? exception
                : new IllegalStateException("what listens to an answer failed: " + thrown, thrown);
    }

    /** Ends the answer where it is. */
    void finish(FinishReason reason) {
        if (finished == null) {
            finished = reason;
        }
    }

    private void fail(RuntimeException cause) {
        failure = cause;
        finished = FinishReason.FAILED;
    }

    /** The answer, which has ended; the last of its text is given out. */
    Rollout result() {
        int[] tokens = row.tokens().addedTokens();
        String whole = failure == null ? wholeText(tokens) : "";
        int reported = reportsLogprobs() ? tokens.length : 0;
        return new Rollout(
                number,
                tokens,
                Arrays.copyOf(logprobs, reported),
                Arrays.copyOf(sampledLogprobs, reported),
                options.logprobs() > 0 ? List.copyOf(likeliest) : List.of(),
                finished == null ? FinishReason.CANCELLED : finished,
                whole,
                failure);
    }

    private String wholeText(int[] tokens) {
        if (text == null) {
            return "";
        }
        try {
            if (!streams) {
                for (int token : tokens) {
                    text.push(token);
                }
            }
            return text.finish();
        } catch (Throwable e) {
            fail(asException(e));
            return "";
        }
    }
}
