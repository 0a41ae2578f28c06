package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One sequence of a batch while it grows. */
final class RunningSequence {

    private final int prompt;
    private final int number;
    private final GenerationOptions options;
    private final Set<Integer> stops;
    private final TokenSequence tokens;
    private final TokenSampler sampler;
    private final @Nullable GeneratedText text;
    private final GenerationListener listener;
    private final List<TokenLogprob> logprobs = new ArrayList<>();
    private @Nullable FinishReason finished;

    RunningSequence(
            int prompt,
            int number,
            int[] promptTokens,
            GenerationOptions options,
            TokenSampler sampler,
            @Nullable GeneratedText text,
            GenerationListener listener) {
        this.prompt = prompt;
        this.number = number;
        this.options = options;
        this.stops = options.stopTokens() == null ? Set.of() : options.stopTokens();
        this.tokens = new TokenSequence(promptTokens);
        this.sampler = sampler;
        this.text = text;
        this.listener = listener;
    }

    boolean isFinished() {
        return finished != null;
    }

    /** Chooses the next token from the model's scores. */
    int choose(float[] scores) {
        boolean report = options.logprobs() >= 0;
        float[] raw = report ? scores.clone() : scores;
        int token = sampler.choose(tokens, scores);
        if (report) {
            logprobs.add(Logprobs.of(raw, token, options.logprobs()));
        }
        return token;
    }

    /** Takes a token that was chosen. */
    void accept(int token) {
        tokens.add(token);
        listener.onToken(number, token);
        boolean stopString = text != null && text.push(token);
        if (stopString || stops.contains(token)) {
            finished = FinishReason.STOP;
        } else if (tokens.newTokens() >= options.maxNewTokens()) {
            finished = FinishReason.LENGTH;
        }
    }

    Completion result() {
        return new Completion(
                prompt,
                text == null ? "" : text.finish(),
                tokens.added(),
                finished == null ? FinishReason.LENGTH : finished,
                logprobs,
                0);
    }
}
