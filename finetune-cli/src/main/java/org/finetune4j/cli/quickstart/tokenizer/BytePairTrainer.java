package org.finetune4j.cli.quickstart.tokenizer;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Byte-level byte-pair encoding as in GPT-2 (Radford et al. 2019, after Sennrich et al. 2016): words are split off with
 * GPT-2's pattern, spelled in {@link ByteAlphabet} and their most frequent neighbours are merged until the vocabulary
 * is full. Of pairs that are equally frequent the one that sorts first is taken, so the same texts give the same
 * tokenizer.
 */
public final class BytePairTrainer {

    /** GPT-2's pattern, which is also what the {@code ByteLevel} pre-tokenizer of Hugging Face applies. */
    private static final Pattern WORD = Pattern.compile(
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
            Pattern.UNICODE_CHARACTER_CLASS);

    private BytePairTrainer() {}

    /** Two neighbouring tokens. */
    private record Pair(String left, String right) implements Comparable<Pair> {
        private static final Comparator<Pair> ORDER =
                Comparator.comparing(Pair::left).thenComparing(Pair::right);

        @Override
        public int compareTo(Pair other) {
            return ORDER.compare(this, other);
        }

        String merged() {
            return left + right;
        }
    }

    /** A word as it is split so far, and how often it occurs. */
    private static final class Word {
        private List<String> tokens;
        private final long count;

        Word(String spelled, long count) {
            this.tokens = List.of(spelled.split(""));
            this.count = count;
        }

        void merge(Pair pair) {
            List<String> merged = new ArrayList<>(tokens.size());
            for (int i = 0; i < tokens.size(); i++) {
                boolean matches = i + 1 < tokens.size()
                        && tokens.get(i).equals(pair.left())
                        && tokens.get(i + 1).equals(pair.right());
                merged.add(matches ? pair.merged() : tokens.get(i));
                if (matches) {
                    i++;
                }
            }
            tokens = merged;
        }
    }

    /**
     * Trains on {@code texts}.
     *
     * @param texts read once, to the end
     * @param vocabularySize the size of the vocabulary, special tokens included; it stays smaller when no pair occurs twice
     *     any more
     * @param specialTokens tokens that no text is split into; they get the first ids
     * @return the tokenizer
     * @throws IllegalArgumentException when the size leaves no room for the 256 bytes and the special tokens
     */
    public static BytePairTokenizer train(Stream<String> texts, int vocabularySize, List<String> specialTokens) {
        if (vocabularySize < 256 + specialTokens.size()) {
            throw new IllegalArgumentException("vocabularySize is " + vocabularySize + ", but the bytes and the special"
                    + " tokens alone need " + (256 + specialTokens.size()));
        }
        Map<String, Integer> vocabulary = new LinkedHashMap<>();
        Stream.concat(specialTokens.stream(), ByteAlphabet.sorted().stream())
                .forEach(token -> vocabulary.put(token, vocabulary.size()));
        List<Word> words = count(texts);
        List<List<String>> merges = new ArrayList<>();
        while (vocabulary.size() < vocabularySize) {
            Pair pair = mostFrequent(words);
            if (pair == null) {
                break;
            }
            words.forEach(word -> word.merge(pair));
            merges.add(List.of(pair.left(), pair.right()));
            vocabulary.putIfAbsent(pair.merged(), vocabulary.size());
        }
        return new BytePairTokenizer(vocabulary, merges, specialTokens);
    }

    private static List<Word> count(Stream<String> texts) {
        Map<String, Long> counts = new TreeMap<>();
        texts.forEach(text -> {
            Matcher matcher = WORD.matcher(text);
            while (matcher.find()) {
                counts.merge(matcher.group(), 1L, Long::sum);
            }
        });
        return counts.entrySet().stream()
                .map(entry -> new Word(ByteAlphabet.spell(entry.getKey()), entry.getValue()))
                .toList();
    }

    /** Null when no pair occurs at least twice: merging it would only learn single words by heart. */
    private static @Nullable Pair mostFrequent(List<Word> words) {
        Map<Pair, Long> counts = new HashMap<>();
        for (Word word : words) {
            for (int i = 0; i + 1 < word.tokens.size(); i++) {
                counts.merge(new Pair(word.tokens.get(i), word.tokens.get(i + 1)), word.count, Long::sum);
            }
        }
        return counts.entrySet().stream()
                .filter(entry -> entry.getValue() >= 2)
                .max(Map.Entry.<Pair, Long>comparingByValue()
                        .thenComparing(Map.Entry.comparingByKey(Comparator.reverseOrder())))
                .map(Map.Entry::getKey)
                .orElse(null);
    }
}
