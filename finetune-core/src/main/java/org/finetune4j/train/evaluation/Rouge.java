package org.finetune4j.train.evaluation;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * ROUGE (Lin 2004): how much of a text's words, pairs of words or longest common subsequence two texts share, as the
 * harmonic mean of precision and recall. Words are those of Google's {@code rouge_score} without stemming: lower case,
 * letters and digits. Letters of other scripts count too, and a Chinese or Japanese ideograph is a word by itself.
 */
public final class Rouge {

    private static final Pattern WORD = Pattern.compile("[\\p{IsIdeographic}]|[\\p{L}\\p{N}&&[^\\p{IsIdeographic}]]+");

    private final int n;

    private Rouge(int n) {
        this.n = n;
    }

    /**
     * ROUGE-1 counts words, ROUGE-2 pairs.
     *
     * @param n words that are counted together, at least 1
     * @return the metric
     */
    public static Rouge n(int n) {
        if (n < 1) {
            throw new IllegalArgumentException("n must be positive: " + n);
        }
        return new Rouge(n);
    }

    /**
     * ROUGE-L: the longest sequence of words that both have in this order, with anything between them.
     *
     * @return the metric
     */
    public static Rouge longestCommonSubsequence() {
        return new Rouge(0);
    }

    /**
     * {@return the score of one text, from 0 to 1; texts without words have 0}
     *
     * @param text what was written
     * @param reference what should have been
     */
    public double score(String text, String reference) {
        List<String> given = words(text);
        List<String> expected = words(reference);
        if (n == 0) {
            return harmonic(longestCommon(given, expected), given.size(), expected.size());
        }
        Map<List<String>, Integer> left = grams(given);
        Map<List<String>, Integer> right = grams(expected);
        int common = left.entrySet().stream()
                .mapToInt(entry -> Math.min(entry.getValue(), right.getOrDefault(entry.getKey(), 0)))
                .sum();
        return harmonic(common, Math.max(0, given.size() - n + 1), Math.max(0, expected.size() - n + 1));
    }

    /**
     * {@return the mean score of texts}
     *
     * @param texts what was written, at least one
     * @param references what should have been, one for each text
     */
    public double mean(List<String> texts, List<String> references) {
        double sum = 0;
        for (int i = 0; i < texts.size(); i++) {
            sum += score(texts.get(i), references.get(i));
        }
        return sum / texts.size();
    }

    private static double harmonic(int common, int given, int expected) {
        return common == 0 ? 0 : 2.0 * common / (given + expected);
    }

    static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        Matcher matcher = WORD.matcher(text.toLowerCase(Locale.ROOT));
        while (matcher.find()) {
            words.add(matcher.group());
        }
        return words;
    }

    private Map<List<String>, Integer> grams(List<String> words) {
        Map<List<String>, Integer> counts = new HashMap<>();
        for (int i = 0; i + n <= words.size(); i++) {
            counts.merge(words.subList(i, i + n), 1, Integer::sum);
        }
        return counts;
    }

    private static int longestCommon(List<String> left, List<String> right) {
        int[] lengths = new int[right.size() + 1];
        for (String word : left) {
            int diagonal = 0;
            for (int j = 1; j <= right.size(); j++) {
                int above = lengths[j];
                lengths[j] = word.equals(right.get(j - 1)) ? diagonal + 1 : Math.max(above, lengths[j - 1]);
                diagonal = above;
            }
        }
        return lengths[right.size()];
    }
}
