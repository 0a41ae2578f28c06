package org.finetune4j.data.mixture;

import java.util.HashSet;
import java.util.Set;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.examples.ExampleDataset;

/**
 * Finds training examples that share a run of words with evaluation data, as GPT-3's authors did (Brown et al., 2020,
 * appendix C, with 13 words): a model that has seen the questions of a test is not measured by it.
 */
public final class Contamination {

    /** Words of a run unless told otherwise. */
    public static final int DEFAULT_WORDS = 13;

    private final Set<Long> runs = new HashSet<>();
    private final Set<Integer> lengths = new HashSet<>();
    private final int words;

    private Contamination(int words) {
        this.words = words;
    }

    /**
     * Looks through evaluation data.
     *
     * @param words the length of a run; an evaluation text with fewer words is looked for as a whole
     */
    public static Contamination of(ExampleDataset evaluation, int words) {
        if (words < 1) {
            throw new UserErrorException(
                    "the number of words that must not be shared is " + words + ", expected at least 1");
        }
        Contamination contamination = new Contamination(words);
        for (int i = 0; i < evaluation.size(); i++) {
            String[] text = ExampleText.words(evaluation.get(i));
            if (text.length > 0) {
                contamination.lengths.add(Math.min(words, text.length));
                contamination.runs.addAll(Shingles.of(text, words));
            }
        }
        return contamination;
    }

    /** The indices of the examples that share nothing with the evaluation data. */
    public int[] clean(ExampleDataset training) {
        return IntStream.range(0, training.size())
                .parallel()
                .filter(i -> !overlaps(ExampleText.words(training.get(i))))
                .toArray();
    }

    private boolean overlaps(String[] text) {
        return lengths.stream()
                .filter(length -> length == words || length <= text.length)
                .anyMatch(length -> Shingles.of(text, length).stream().anyMatch(runs::contains));
    }
}
