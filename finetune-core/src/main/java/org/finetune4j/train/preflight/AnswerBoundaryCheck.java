package org.finetune4j.train.preflight;

import java.util.Arrays;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.model.Tokenizer;

/**
 * Prompts and answers do not run into each other: where a prompt ends in a word and its answer begins with one, without a
 * space between, the model learns words that nobody writes; where a prompt ends in a space, the tokenizer joins it with the
 * answer's first word, which then counts as the prompt's and is not learned.
 */
public final class AnswerBoundaryCheck implements PreflightCheck {

    private static final int SAMPLES = 64;

    /** Tokens around the border that are looked at. */
    private static final int AROUND = 6;

    private static final String SENTENCE_ENDS = ".,;?!";

    @Override
    public void check(PreflightContext context, Findings findings) {
        if (!context.model().hasTokenizer()) {
            return;
        }
        int looked = Math.min(SAMPLES, context.dataset().size());
        int joined = 0;
        int melted = 0;
        String example = "";
        String meltedExample = "";
        for (int i = 0; i < looked; i++) {
            int index = (int) ((long) i * context.dataset().size() / looked);
            Optional<String> border = joint(context, index);
            if (border.isPresent()) {
                example = joined == 0 ? context.dataset().location(index) + ", " + border.get() : example;
                joined++;
            }
            if (melts(context, index)) {
                meltedExample = melted == 0 ? context.dataset().location(index) : meltedExample;
                melted++;
            }
        }
        if (melted * 2 > looked) {
            findings.warning("the last token of prompts changes when their answer follows (" + meltedExample
                    + "), so the beginning of answers is not learned: end prompts without a space, and begin answers"
                    + " with it");
        }
        if (joined * 2 > looked) {
            findings.warning("answers begin right behind the last word of their prompts (" + example
                    + "): begin answers with a space, or end prompts with a space or a new line, by templates or"
                    + " prompt_template");
        }
    }

    /** Whether a prompt's tokens are others when the answer follows. */
    private static boolean melts(PreflightContext context, int index) {
        if (!(context.dataset() instanceof SupervisedSamples samples)) {
            return false;
        }
        try {
            Optional<PromptCompletion> texts = samples.question(index);
            if (texts.isEmpty()) {
                return false;
            }
            int[] ids = samples.get(index).inputIds();
            int[] prompt = context.model().tokenizer().encode(texts.get().prompt(), true);
            int length = prompt.length - context.model().tokenizer().trailingSpecialTokens().length;
            return length <= ids.length && Arrays.mismatch(ids, 0, length, prompt, 0, length) == length - 1;
        } catch (UserErrorException e) {
            return false; // Another check says what is wrong with the sample.
        }
    }

    /** What is on both sides of the border, where nothing parts them. */
    private static Optional<String> joint(PreflightContext context, int index) {
        try {
            return joint(context.dataset().get(index), context.model().tokenizer());
        } catch (UserErrorException e) {
            return Optional.empty(); // Another check says what is wrong with the sample.
        }
    }

    static Optional<String> joint(Sample sample, Tokenizer tokenizer) {
        int start = 0;
        while (start < sample.length() && sample.labels()[start] == Sample.IGNORE_INDEX) {
            start++;
        }
        if (start == 0 || start == sample.length()) {
            return Optional.empty();
        }
        int from = Math.max(0, start - AROUND);
        int to = Math.min(sample.length(), start + AROUND);
        // Decoded together: a tokenizer may leave out the space before the first word of a text.
        String prompt = tokenizer.decode(Arrays.copyOfRange(sample.inputIds(), from, start), false);
        String both = tokenizer.decode(Arrays.copyOfRange(sample.inputIds(), from, to), false);
        if (prompt.isEmpty() || !both.startsWith(prompt) || both.length() == prompt.length()) {
            return Optional.empty();
        }
        int before = prompt.codePointBefore(prompt.length());
        int after = both.codePointAt(prompt.length());
        boolean joined = (isOfAWord(before) || SENTENCE_ENDS.indexOf(before) >= 0) && isOfAWord(after);
        return joined
                ? Optional.of("\"" + lastWord(prompt) + "|" + firstWord(both.substring(prompt.length())) + "\"")
                : Optional.empty();
    }

    /** Scripts without spaces have no border to miss. */
    private static boolean isOfAWord(int character) {
        return Character.isDigit(character)
                || (Character.isLetter(character)
                        && (Character.isUpperCase(character) || Character.isLowerCase(character)));
    }

    private static String lastWord(String text) {
        return text.substring(Math.max(text.lastIndexOf(' '), text.lastIndexOf('\n')) + 1);
    }

    private static String firstWord(String text) {
        return text.split("\\s", 2)[0];
    }
}
