package org.finetune4j.data.supervised;

import java.util.Objects;
import java.util.Optional;
import java.util.function.IntFunction;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.LazySamples;
import org.finetune4j.data.RecordFields;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TokenizationReport;
import org.finetune4j.data.TokenizedDataset;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.model.Tokenizer;

/** The samples of examples, tokenised when they are asked for. The tokenizer must stay open. */
public final class SupervisedSamples implements TokenizedDataset {

    private final ExampleDataset examples;
    private final SupervisedOptions options;
    private final LazySamples samples;

    private SupervisedSamples(ExampleDataset examples, SupervisedOptions options, LazySamples samples) {
        this.examples = examples;
        this.options = options;
        this.samples = samples;
    }

    /**
     * Makes the samples; with {@link org.finetune4j.data.TruncationPolicy#DROP} all are tokenised once now, to know which are
     * left out.
     *
     * @param examples of any kinds
     * @param tokenizer must stay open as long as samples are made
     * @param options lengths, templates and what is learned
     * @return the samples
     * @throws UserErrorException when the first example cannot be learned this way, the tokenizer has no end-of-sequence
     *     token, or no sample is left
     */
    public static SupervisedSamples of(ExampleDataset examples, Tokenizer tokenizer, SupervisedOptions options) {
        if (examples.size() == 0) {
            throw new UserErrorException("the dataset is empty");
        }
        ExampleTokenizer exampleTokenizer = new ExampleTokenizer(tokenizer, options);
        IntFunction<TokenizedExample> tokenized = options.sharing()
                .once(
                        examples.size(),
                        index -> tokenize(exampleTokenizer, examples, index),
                        TokenizedExample::numbers,
                        TokenizedExample::read);
        Objects.requireNonNull(tokenized.apply(0));
        LazySamples samples = LazySamples.of(
                examples.size(), tokenized, examples::location, options.maxLength(), options.truncation());
        return new SupervisedSamples(examples, options, samples);
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

    @Override
    public int size() {
        return samples.size();
    }

    @Override
    public Sample get(int index) {
        Sample sample = samples.get(index);
        return options.tasks() > 1 ? sample.with(Sample.TASK, task(index)) : sample;
    }

    private int task(int index) {
        Object value = examples.fields(samples.recordIndex(index)).get(Sample.TASK);
        String text = String.valueOf(value); // tables hold texts
        if (!text.matches("\\d{1,9}") || Integer.parseInt(text) >= options.tasks()) {
            throw new UserErrorException(location(index) + ": '" + Sample.TASK + "' is "
                    + (value == null ? "not there" : RecordFields.shortened(text))
                    + ", expected the number of the record's"
                    + " task, from 0 to " + (options.tasks() - 1));
        }
        return Integer.parseInt(text);
    }

    @Override
    public String location(int index) {
        return samples.location(index);
    }

    @Override
    public TokenizationReport report(int maxProblems, Visitor visitor) {
        return samples.report(maxProblems, visitor);
    }

    @Override
    public int recordIndex(int index) {
        return samples.recordIndex(index);
    }

    /**
     * The text that the model is given to generate from, with the answer that its record has, where the sample is such a
     * pair and only its answer is learned.
     *
     * @param index of a sample, from 0
     * @return both texts, or empty for conversations and whatever else has no such prompt
     */
    public Optional<PromptCompletion> question(int index) {
        PromptTemplate template = options.promptTemplate();
        if (template == null || options.trainOn() == TrainOn.ALL) {
            return Optional.empty();
        }
        Example example = examples.get(samples.recordIndex(index));
        if (example instanceof Instruction instruction) {
            return Optional.of(new PromptCompletion(template.prompt(instruction), instruction.output()));
        }
        return example instanceof PromptCompletion texts ? Optional.of(texts) : Optional.empty();
    }
}
