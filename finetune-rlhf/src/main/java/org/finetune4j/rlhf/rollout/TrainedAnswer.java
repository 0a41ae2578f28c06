package org.finetune4j.rlhf.rollout;

import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

/**
 * An answer and what is to be learned from it: numbers by name, one for the answer or one for each of its tokens. Nothing is copied.
 *
 * @param prompt tokens of the prompt
 * @param answer tokens of the answer
 * @param columns numbers by name
 */
record TrainedAnswer(int[] prompt, int[] answer, Map<String, float[]> columns) {

    /** Log-probabilities of the tokens when they were drawn. */
    static final String DRAWN = "drawn";
    /** Log-probabilities of the tokens of the reference. */
    static final String REFERENCE = "reference";
    /** Advantages, one for the answer or one a token. */
    static final String ADVANTAGE = "advantage";
    /** What a token's loss is multiplied by. */
    static final String WEIGHT = "weight";
    /** What the value head said about the tokens when they were drawn. */
    static final String VALUES = "values";
    /** What it should have said. */
    static final String RETURNS = "returns";

    static TrainedAnswer of(Episode episode) {
        return new TrainedAnswer(episode.prompt().ids(), episode.tokens(), Map.of());
    }

    TrainedAnswer with(String name, double... values) {
        float[] narrow = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            narrow[i] = (float) values[i];
        }
        Map<String, float[]> more = new HashMap<>(columns);
        more.put(name, narrow);
        return new TrainedAnswer(prompt, answer, more);
    }

    /** The numbers of a column that is there. */
    float[] column(String name) {
        return Objects.requireNonNull(columns.get(name), name);
    }
}
