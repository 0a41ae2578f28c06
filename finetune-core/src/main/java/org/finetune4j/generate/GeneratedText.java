package org.finetune4j.generate;

import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.finetune4j.model.IncrementalDecoder;
import org.finetune4j.model.Tokenizer;

/** The text of one row as its tokens come: whole characters, without stop tokens, up to the first stop string. */
final class GeneratedText {

    private final IncrementalDecoder decoder;
    private final StopStringFilter filter;
    private final Set<Integer> stopTokens;
    private final Consumer<String> listener;
    private final StringBuilder text = new StringBuilder();

    GeneratedText(Tokenizer tokenizer, List<String> stopStrings, Set<Integer> stopTokens, Consumer<String> listener) {
        this.decoder = tokenizer.incrementalDecoder(true);
        this.filter = new StopStringFilter(stopStrings);
        this.stopTokens = stopTokens;
        this.listener = listener;
    }

    /** Says what the text goes on from. */
    void follow(int[] prompt) {
        decoder.follow(prompt);
    }

    /** Takes the next token; true when a stop string is complete. */
    boolean push(int token) {
        if (!stopTokens.contains(token)) {
            emit(filter.push(decoder.push(token)));
        }
        return filter.isStopped();
    }

    /** Gives out what was held back and returns the whole text. */
    String finish() {
        emit(filter.push(decoder.finish()));
        emit(filter.finish());
        return text.toString();
    }

    private void emit(String piece) {
        if (!piece.isEmpty()) {
            text.append(piece);
            listener.accept(piece);
        }
    }
}
