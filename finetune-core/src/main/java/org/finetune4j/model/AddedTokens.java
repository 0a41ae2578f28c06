package org.finetune4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;

/**
 * Tokens that a model gets in addition to those of its checkpoint, such as the marks of a new chat format. A tokenizer
 * never splits them; the rows that they need in the embedding and in the output layer start as the mean of the others.
 *
 * @param tokens those that decoding always shows
 * @param specialTokens those that decoding leaves out when special tokens are skipped
 */
public record AddedTokens(List<String> tokens, List<String> specialTokens) {

    /** None. */
    public static final AddedTokens NONE = new AddedTokens(List.of(), List.of());

    /**
     * Keeps copies of the lists.
     *
     * @param tokens ordinary ones
     * @param specialTokens never cut into pieces, and left out of decoded text
     * @throws UserErrorException for a blank token
     */
    public AddedTokens {
        tokens = List.copyOf(tokens);
        specialTokens = List.copyOf(specialTokens);
        List<String> all =
                Stream.concat(tokens.stream(), specialTokens.stream()).toList();
        if (all.stream().anyMatch(String::isBlank)) {
            throw new UserErrorException("an added token must have a text, and one of " + all + " is blank");
        }
    }

    /**
     * Special tokens only.
     *
     * @param tokens their texts
     * @return the tokens
     */
    public static AddedTokens special(String... tokens) {
        return new AddedTokens(List.of(), Arrays.asList(tokens));
    }

    /** {@return whether there are none} */
    public boolean isEmpty() {
        return tokens.isEmpty() && specialTokens.isEmpty();
    }

    /** All of them, the ordinary ones first: the order in which new ids are given. */
    List<String> all() {
        List<String> all = new ArrayList<>(tokens);
        specialTokens.stream().filter(token -> !all.contains(token)).forEach(all::add);
        return all;
    }
}
