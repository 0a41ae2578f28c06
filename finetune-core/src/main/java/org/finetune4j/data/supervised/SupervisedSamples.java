package org.finetune4j.data.supervised;

import java.util.Optional;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.InstructionDataset;
import org.finetune4j.data.InstructionRecord;
import org.finetune4j.data.InstructionSamples;
import org.finetune4j.data.LazySamples;
import org.finetune4j.data.PromptTemplate;
import org.finetune4j.data.TokenizationOptions;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.model.Tokenizer;

/** Makes the samples of examples. */
public final class SupervisedSamples {

    private SupervisedSamples() {}

    /**
     * The samples, tokenised when they are asked for. The tokenizer must stay open.
     *
     * @param examples of any kinds
     * @param tokenizer must stay open as long as samples are made
     * @param options lengths, templates and what is learned
     * @return the samples
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

    /**
     * The same examples as instructions, from which reports can ask questions, where all of them are of one such kind and
     * only answers are learned; otherwise empty.
     *
     * @param examples of any kinds
     * @param tokenizer must stay open as long as samples are made
     * @param options lengths, templates and what is learned
     * @return the samples, or empty
     */
    public static Optional<InstructionSamples> asInstructions(
            ExampleDataset examples, Tokenizer tokenizer, SupervisedOptions options) {
        PromptTemplate template = options.promptTemplate();
        boolean instructions = examples.kinds().equals(Set.of(Instruction.class));
        boolean texts = examples.kinds().equals(Set.of(PromptCompletion.class));
        if (template == null || options.trainOn() == TrainOn.ALL || !(instructions || texts)) {
            return Optional.empty();
        }
        InstructionDataset dataset =
                InstructionDataset.of(examples.size(), index -> record(examples.get(index)), examples::location);
        return Optional.of(dataset.tokenize(
                tokenizer,
                new TokenizationOptions(
                        options.maxLength(), texts ? InstructionRecord::instruction : template, options.truncation())));
    }

    private static InstructionRecord record(Example example) {
        if (example instanceof PromptCompletion texts) {
            return new InstructionRecord(texts.prompt(), texts.completion());
        }
        return ((Instruction) example).record();
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
