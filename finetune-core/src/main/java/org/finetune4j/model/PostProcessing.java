package org.finetune4j.model;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * The special tokens that a tokenizer puts around one sequence. They are found by asking the tokenizer, since
 * {@code tokenizer.json} has several kinds of post-processors; then {@code add_bos_token} and {@code add_eos_token} of
 * {@code tokenizer_config.json} are applied, as transformers does when it loads the same files.
 */
record PostProcessing(int[] leading, int[] trailing) {

    private static final String PROBE = "a";

    static PostProcessing of(HuggingFaceTokenizer tokenizer, SpecialTokens special) {
        int[] plain = ids(tokenizer, false);
        int[] processed = ids(tokenizer, true);
        int start = indexOf(processed, plain);
        int[] leading = Arrays.copyOfRange(processed, 0, start);
        int[] trailing = Arrays.copyOfRange(processed, start + plain.length, processed.length);
        return new PostProcessing(
                adjust(leading, special.bos(), special.addBos(), true),
                adjust(trailing, special.eos(), special.addEos(), false));
    }

    private static int[] adjust(int[] ids, OptionalInt token, Optional<Boolean> wanted, boolean atStart) {
        if (token.isEmpty() || wanted.isEmpty()) {
            return ids;
        }
        int id = token.getAsInt();
        boolean present = Arrays.stream(ids).anyMatch(other -> other == id);
        if (present == wanted.get()) {
            return ids;
        }
        if (present) {
            return Arrays.stream(ids).filter(other -> other != id).toArray();
        }
        IntStream added = IntStream.of(id);
        IntStream others = Arrays.stream(ids);
        return (atStart ? IntStream.concat(added, others) : IntStream.concat(others, added)).toArray();
    }

    private static int[] ids(HuggingFaceTokenizer tokenizer, boolean addSpecialTokens) {
        return LongStream.of(tokenizer.encode(PROBE, addSpecialTokens, false).getIds())
                .mapToInt(Math::toIntExact)
                .toArray();
    }

    private static int indexOf(int[] all, int[] part) {
        for (int start = 0; start + part.length <= all.length; start++) {
            if (Arrays.equals(all, start, start + part.length, part, 0, part.length)) {
                return start;
            }
        }
        throw new IllegalArgumentException("the post-processor changes the tokens of the text");
    }
}
