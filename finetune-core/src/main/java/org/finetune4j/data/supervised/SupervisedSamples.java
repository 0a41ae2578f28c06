package org.finetune4j.data.supervised;

import org.finetune4j.UserErrorException;
import org.finetune4j.data.LazySamples;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.model.Tokenizer;

/** Makes the samples of examples. */
public final class SupervisedSamples {

    private SupervisedSamples() {}

    /**
     * The samples, tokenised when they are asked for. The tokenizer must stay open.
     *
     * @throws UserErrorException when the first example cannot be learned this way, or no sample is left
     */
    public static LazySamples of(ExampleDataset examples, Tokenizer tokenizer, SupervisedOptions options) {
        ExampleTokenizer exampleTokenizer = new ExampleTokenizer(tokenizer, options);
        tokenize(exampleTokenizer, examples, 0);
        return LazySamples.of(
                examples.size(),
                index -> tokenize(exampleTokenizer, examples, index),
                examples::location,
                options.maxLength(),
                options.truncation());
    }

    private static TokenizedExample tokenize(ExampleTokenizer tokenizer, ExampleDataset examples, int index) {
        try {
            return tokenizer.tokenize(examples.get(index));
        } catch (UserErrorException e) {
            String message = String.valueOf(e.getMessage());
            String location = examples.location(index);
            throw message.startsWith(location) ? e : new UserErrorException(location + ": " + message, e);
        }
    }
}
