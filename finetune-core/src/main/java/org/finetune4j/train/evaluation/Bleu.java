package org.finetune4j.train.evaluation;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Corpus BLEU (Papineni et al. 2002) as sacreBLEU computes it by default (Post 2018): words of the mteval-13a tokenizer,
 * n-grams up to four, exponential smoothing of empty counts, one reference a text; here from 0 to 1.
 */
public final class Bleu {

    private static final int MAX_ORDER = 4;

    private Bleu() {}

    /**
     * {@return the score of texts together, from 0 to 1}
     *
     * @param texts what was written
     * @param references what should have been, one for each text
     */
    public static double corpus(List<String> texts, List<String> references) {
        long[] correct = new long[MAX_ORDER];
        long[] total = new long[MAX_ORDER];
        long given = 0;
        long expected = 0;
        for (int i = 0; i < texts.size(); i++) {
            List<String> words = words(texts.get(i));
            List<String> reference = words(references.get(i));
            given += words.size();
            expected += reference.size();
            for (int order = 1; order <= MAX_ORDER; order++) {
                total[order - 1] += Math.max(0, words.size() - order + 1);
                correct[order - 1] += common(grams(words, order), grams(reference, order));
            }
        }
        return score(correct, total, given, expected);
    }

    private static double score(long[] correct, long[] total, long given, long expected) {
        if (correct[0] == 0) {
            return 0;
        }
        double smoothing = 1;
        double logs = 0;
        for (int i = 0; i < MAX_ORDER; i++) {
            if (total[i] == 0) {
                return 0;
            }
            if (correct[i] == 0) {
                smoothing *= 2;
            }
            logs += Math.log(correct[i] == 0 ? 1 / (smoothing * total[i]) : (double) correct[i] / total[i]);
        }
        double brevity = given < expected ? Math.exp(1 - (double) expected / given) : 1;
        return brevity * Math.exp(logs / MAX_ORDER);
    }

    private static Map<List<String>, Integer> grams(List<String> words, int order) {
        Map<List<String>, Integer> counts = new HashMap<>();
        for (int i = 0; i + order <= words.size(); i++) {
            counts.merge(words.subList(i, i + order), 1, Integer::sum);
        }
        return counts;
    }

    private static int common(Map<List<String>, Integer> left, Map<List<String>, Integer> right) {
        return left.entrySet().stream()
                .mapToInt(entry -> Math.min(entry.getValue(), right.getOrDefault(entry.getKey(), 0)))
                .sum();
    }

    /** The mteval-13a tokenizer: punctuation apart, but for the marks inside numbers. */
    static List<String> words(String text) {
        String line = text.replace("<skipped>", "").replace("-\n", "").replace('\n', ' ');
        if (line.contains("&")) {
            line = line.replace("&quot;", "\"")
                    .replace("&amp;", "&")
                    .replace("&lt;", "<")
                    .replace("&gt;", ">");
        }
        line = (" " + line + " ")
                .replaceAll("([{-~\\[-` -&(-+:-@/])", " $1 ")
                .replaceAll("([^0-9])([.,])", "$1 $2 ")
                .replaceAll("([.,])([^0-9])", " $1 $2")
                .replaceAll("([0-9])(-)", "$1 $2 ");
        String trimmed = line.strip();
        return trimmed.isEmpty() ? List.of() : List.of(trimmed.split("\\s+"));
    }
}
