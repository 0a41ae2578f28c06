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
    private final Set<Long> wholeTexts = new HashSet<>();
    private final int words;

    private Contamination(int words) {
        this.words = words;
    }

    /**
     * Looks through evaluation data.
     *
     * @param evaluation the held-out examples
     * @param words the length of a run; an evaluation text with fewer words must be the whole of an example
     * @return what knows the runs of words in them
     */
    public static Contamination of(ExampleDataset evaluation, int words) {
        if (words < 1) {
            throw new UserErrorException(
                    "the number of words that must not be shared is " + words + ", expected at least 1");
        }
        Contamination contamination = new Contamination(words);
        for (int i = 0; i < evaluation.size(); i++) {
            String[] text = ExampleText.words(evaluation.get(i));
            (text.length < words ? contamination.wholeTexts : contamination.runs).addAll(Shingles.of(text, words));
        }
        return contamination;
    }

    /**
     * {@return the indices of the examples that share nothing with the evaluation data}
     *
     * @param training the examples to train on
     */
    public int[] clean(ExampleDataset training) {
        return IntStream.range(0, training.size())
                .parallel()
                .filter(i -> !overlaps(ExampleText.words(training.get(i))))
                .toArray();
    }

    private boolean overlaps(String[] text) {
        Set<Long> own = text.length < words ? wholeTexts : runs;
        return Shingles.of(text, words).stream().anyMatch(own::contains);
    }
}
