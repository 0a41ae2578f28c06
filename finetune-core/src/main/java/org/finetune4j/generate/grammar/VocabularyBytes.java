package org.finetune4j.generate.grammar;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Map;
import java.util.WeakHashMap;
import java.util.stream.IntStream;
import org.finetune4j.model.TokenText;
import org.finetune4j.model.Tokenizer;

/**
 * The tokens of a vocabulary as bytes, in the order of these: what is tried token by token lies side by side.
 *
 * @param bytes in UTF-8 of all tokens, one after the other
 * @param start where those of a token in the order begin, and one more where the last ends
 * @param order ids of the tokens that have bytes; a special token, which is no text, has none
 * @param shared how many bytes each in the order has in common with the one before it
 * @param place of a token in the order by its id, or -1
 * @param longest bytes of a token
 */
record VocabularyBytes(byte[] bytes, int[] start, int[] order, int[] shared, int[] place, int longest) {

    private static final Map<Tokenizer, VocabularyBytes> READ = new WeakHashMap<>();

    /** Those of a tokenizer, read once while it is in use: it takes a second for a hundred thousand tokens. */
    static VocabularyBytes of(Tokenizer tokenizer) {
        synchronized (READ) {
            return READ.computeIfAbsent(tokenizer, VocabularyBytes::read);
        }
    }

    private static VocabularyBytes read(Tokenizer tokenizer) {
        TokenText texts = new TokenText(tokenizer);
        byte[][] each = new byte[tokenizer.rows()][];
        for (int token = 0; token < each.length; token++) {
            each[token] = texts.ofPlainText(token).bytes();
        }
        int[] order = IntStream.range(0, each.length)
                .filter(token -> each[token].length > 0)
                .boxed()
                .sorted((one, two) -> Arrays.compareUnsigned(each[one], each[two]))
                .mapToInt(Integer::intValue)
                .toArray();
        int[] place = new int[each.length];
        Arrays.fill(place, -1);
        int[] start = new int[order.length + 1];
        int[] shared = new int[order.length];
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        int longest = 0;
        for (int i = 0; i < order.length; i++) {
            byte[] own = each[order[i]];
            int mismatch = i == 0 ? 0 : Arrays.mismatch(each[order[i - 1]], own);
            shared[i] = mismatch < 0 ? own.length : mismatch;
            place[order[i]] = i;
            longest = Math.max(longest, own.length);
            all.writeBytes(own);
            start[i + 1] = all.size();
        }
        return new VocabularyBytes(all.toByteArray(), start, order, shared, place, longest);
    }

    /** How many tokens there are, with and without bytes. */
    int rows() {
        return place.length;
    }

    int length(int atPlace) {
        return start[atPlace + 1] - start[atPlace];
    }

    /** A byte of the token at a place, from 0 to 255. */
    int at(int atPlace, int index) {
        return bytes[start[atPlace] + index] & 0xff;
    }
}
