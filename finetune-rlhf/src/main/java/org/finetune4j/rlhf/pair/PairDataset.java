package org.finetune4j.rlhf.pair;

import com.google.common.primitives.ImmutableIntArray;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.TruncationPolicy;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.supervised.ExampleTokenizer;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.TrainOn;
import org.finetune4j.model.Tokenizer;

/** One sample a pair of answers, tokenised when it is asked for. */
public final class PairDataset implements TrainingDataset {

    private final ExampleDataset examples;
    private final ExampleTokenizer tokenizer;
    private final SupervisedOptions options;
    private final int promptLimit;
    private final Sampler sampler;
    private final ImmutableIntArray kept;
    private final IntFunction<TokenizedPair> pairs;

    /** Makes the sample of a pair. */
    @FunctionalInterface
    public interface Sampler {

        /**
         * The sample of a pair.
         *
         * @param pair its tokens, no longer than allowed
         * @param record what they come from
         * @return the sample, with the columns that the objective needs
         */
        Sample sample(TokenizedPair pair, PreferencePair record);
    }

    private PairDataset(
            ExampleDataset examples, Tokenizer tokenizer, SupervisedOptions options, int promptLimit, Sampler sampler) {
        this.examples = examples;
        this.promptLimit = promptLimit;
        this.options = options.learning(TrainOn.COMPLETIONS, false);
        this.tokenizer = new ExampleTokenizer(tokenizer, this.options);
        this.sampler = sampler;
        this.pairs =
                options.sharing().once(examples.size(), this::tokenized, TokenizedPair::numbers, TokenizedPair::read);
        IntStream all = IntStream.range(0, examples.size());
        if (options.truncation() == TruncationPolicy.DROP) {
            all = all.parallel().filter(index -> fits(whole(index)));
        }
        this.kept = ImmutableIntArray.copyOf(all.toArray());
        if (kept.isEmpty()) {
            throw new UserErrorException("no pair is left: in all " + examples.size()
                    + " records an answer with its prompt has more than max_length " + options.maxLength() + " tokens");
        }
    }

    /**
     * The samples of pairs.
     *
     * @param examples all of them {@link PreferencePair}s
     * @param tokenizer must stay open as long as samples are made
     * @param options the chat template or prompt that puts them into words, and the longest answer with its prompt
     * @param sampler makes the sample of a pair
     * @return the samples
     * @throws UserErrorException when the first pair cannot become a sample, or none is left
     */
    public static PairDataset of(
            ExampleDataset examples, Tokenizer tokenizer, SupervisedOptions options, Sampler sampler) {
        return of(examples, tokenizer, options, 0, sampler);
    }

    /**
     * The samples of pairs whose prompts are not longer than allowed.
     *
     * @param examples all of them {@link PreferencePair}s
     * @param tokenizer must stay open as long as samples are made
     * @param options the chat template or prompt that puts them into words, and the longest answer with its prompt
     * @param promptLimit tokens of a prompt at most, of which the last are kept; 0 for no limit of its own
     * @param sampler makes the sample of a pair
     * @return the samples
     * @throws UserErrorException when the first pair cannot become a sample, or none is left
     */
    public static PairDataset of(
            ExampleDataset examples, Tokenizer tokenizer, SupervisedOptions options, int promptLimit, Sampler sampler) {
        PairDataset pairs = new PairDataset(examples, tokenizer, options, promptLimit, sampler);
        pairs.get(0);
        return pairs;
    }

    @Override
    public int size() {
        return kept.length();
    }

    @Override
    public Sample get(int index) {
        TokenizedPair whole = whole(kept.get(index));
        if (!fits(whole) && options.truncation() == TruncationPolicy.ERROR) {
            throw new UserErrorException(location(index) + ": an answer with its prompt has "
                    + Math.max(whole.chosen().ids().length, whole.rejected().ids().length) + " tokens, max_length is "
                    + options.maxLength() + "; raise it, or set truncation to right, left or drop");
        }
        TokenizedPair cut = new TokenizedPair(cut(whole.chosen(), index), cut(whole.rejected(), index));
        if (cut.chosen().ids().length == cut.rejected().ids().length
                && cut.common() == cut.chosen().ids().length - 1
                && cut.chosen().ids()[cut.common()] == cut.rejected().ids()[cut.common()]) {
            throw new UserErrorException(location(index) + ": 'chosen' and 'rejected' are the same tokens"
                    + (fits(whole)
                            ? ""
                            : " once they are cut to max_length " + options.maxLength()
                                    + "; raise it, or set truncation to left or drop"));
        }
        return sampler.sample(cut, (PreferencePair) examples.get(kept.get(index)));
    }

    private TokenizedExample cut(TokenizedExample answer, int index) {
        TokenizedExample cut = answer.cutTo(options.maxLength(), options.truncation());
        if (cut.promptLength() == cut.ids().length) {
            throw new UserErrorException(location(index) + ": no token of an answer is left: the prompt alone has "
                    + answer.promptLength() + " tokens, max_length is " + options.maxLength()
                    + "; raise it, or set truncation to left or drop");
        }
        return cut;
    }

    /**
     * Whether the end of one of its answers is cut off, with the token by which a model would know that it is one.
     *
     * @param index of a sample
     * @return whether it is lost
     */
    public boolean losesItsEnd(int index) {
        return options.truncation() == TruncationPolicy.RIGHT && !fits(whole(kept.get(index)));
    }

    private boolean fits(TokenizedPair pair) {
        return Math.max(pair.chosen().ids().length, pair.rejected().ids().length) <= options.maxLength();
    }

    private TokenizedPair whole(int record) {
        return pairs.apply(record);
    }

    private TokenizedPair tokenized(int record) {
        try {
            PreferencePair pair = (PreferencePair) examples.get(record);
            pair.requireComparable();
            return new TokenizedPair(
                    tokenizer.tokenize(pair.chosen()).withPromptOf(promptLimit),
                    tokenizer.tokenize(pair.rejected()).withPromptOf(promptLimit));
        } catch (UserErrorException e) {
            String message = String.valueOf(e.getMessage());
            String location = examples.location(record);
            throw message.startsWith(location) ? e : new UserErrorException(location + ": " + message, e);
        }
    }

    @Override
    public String location(int index) {
        return examples.location(kept.get(index));
    }
}
