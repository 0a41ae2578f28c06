package org.finetune4j.data;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.finetune4j.model.IncrementalDecoder;
import org.finetune4j.model.Tokenizer;

/**
 * Shows which tokens of a sample are trained, so that a wrong template or mask is seen before training. The labels
 * decide, token by token; special tokens are shown as they are spelt.
 */
public final class SampleInspector {

    private static final String TRAINED_START = "\u27E6"; // ⟦
    private static final String TRAINED_END = "\u27E7"; // ⟧

    private final Tokenizer tokenizer;

    /**
     * Shows samples in the words of a tokenizer.
     *
     * @param tokenizer the one that made the samples
     */
    public SampleInspector(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /**
     * Neighbouring tokens that are all trained or all not.
     *
     * @param firstToken index of the first one in the sample
     * @param tokens how many
     * @param trained whether a loss is computed for them
     * @param text what they read as, after the tokens before them
     */
    public record Span(int firstToken, int tokens, boolean trained, String text) {}

    /**
     * {@return the sample's text with {@code ⟦} and {@code ⟧} around what is trained}
     *
     * @param sample with labels
     */
    public String render(Sample sample) {
        return spans(sample).stream()
                .map(span -> span.trained() ? TRAINED_START + span.text() + TRAINED_END : span.text())
                .collect(Collectors.joining());
    }

    /**
     * {@return the sample in spans, in order; together their texts are the sample's text}
     *
     * @param sample with labels
     */
    public List<Span> spans(Sample sample) {
        List<Span> spans = new ArrayList<>();
        IncrementalDecoder decoder = tokenizer.incrementalDecoder(false);
        int start = 0;
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < sample.length(); i++) {
            if (i > start && isTrained(sample, i) != isTrained(sample, start)) {
                spans.add(new Span(start, i - start, isTrained(sample, start), text.toString()));
                text.setLength(0);
                start = i;
            }
            text.append(decoder.push(sample.inputIds()[i]));
        }
        text.append(decoder.finish());
        spans.add(new Span(start, sample.length() - start, isTrained(sample, start), text.toString()));
        return spans;
    }

    private static boolean isTrained(Sample sample, int token) {
        return sample.labels()[token] != Sample.IGNORE_INDEX;
    }
}
