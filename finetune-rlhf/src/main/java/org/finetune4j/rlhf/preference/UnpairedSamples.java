package org.finetune4j.rlhf.preference;

import java.util.Arrays;
import java.util.function.IntFunction;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.TruncationPolicy;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.UnpairedPreference;
import org.finetune4j.data.supervised.ExampleTokenizer;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.TrainOn;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.rlhf.pair.TokenizedPair;

/**
 * One sample a judged answer. Where the divergence is estimated, each comes with the answer of another record in the place of
 * its own: as in TRL, within blocks of one batch's size every answer is used once, behind the prompt that follows its own.
 */
public final class UnpairedSamples implements TrainingDataset {

    private final ExampleDataset examples;
    private final ExampleTokenizer tokenizer;
    private final SupervisedOptions options;
    private final int promptLimit;
    private final int block;
    private final PairSampler sampler;
    private final IntFunction<TokenizedExample> answers;

    private UnpairedSamples(
            ExampleDataset examples,
            Tokenizer tokenizer,
            SupervisedOptions options,
            int promptLimit,
            int block,
            boolean sharing) {
        this.examples = examples;
        this.options = options.learning(TrainOn.COMPLETIONS, false);
        this.tokenizer = new ExampleTokenizer(tokenizer, this.options);
        this.promptLimit = promptLimit;
        this.block = block;
        this.sampler = new PairSampler(sharing, false);
        this.answers = options.sharing()
                .once(examples.size(), this::tokenized, TokenizedExample::numbers, TokenizedExample::read);
    }

    /**
     * The samples of judged answers.
     *
     * @param examples all of them {@link UnpairedPreference}s
     * @param tokenizer must stay open as long as samples are made
     * @param options the chat template or prompt that puts them into words, and the longest answer with its prompt
     * @param promptLimit tokens of a prompt at most, of which the last are kept; 0 for no limit of its own
     * @param block records whose answers change places, the size of a batch; 1 for none
     * @param sharing whether both answers share the tokens of their prompt
     * @return the samples
     * @throws UserErrorException when the first answer cannot become a sample
     */
    public static UnpairedSamples of(
            ExampleDataset examples,
            Tokenizer tokenizer,
            SupervisedOptions options,
            int promptLimit,
            int block,
            boolean sharing) {
        if (options.truncation() == TruncationPolicy.DROP) {
            throw new UserErrorException("truncation: drop is not for judged answers, whose places are fixed:"
                    + " set it to right, left or error");
        }
        UnpairedSamples samples = new UnpairedSamples(examples, tokenizer, options, promptLimit, block, sharing);
        samples.get(0);
        return samples;
    }

    @Override
    public int size() {
        return examples.size();
    }

    @Override
    public String location(int index) {
        return examples.location(index);
    }

    @Override
    public Sample get(int index) {
        TokenizedExample own = cut(whole(index), index);
        float desirable = ((UnpairedPreference) examples.get(index)).desirable() ? 1 : 0;
        if (block == 1) {
            int[] labels = own.ids().clone();
            for (int i = 0; i < labels.length; i++) {
                labels[i] = own.trained()[i] ? labels[i] : Sample.IGNORE_INDEX;
            }
            return new Sample(own.ids(), labels)
                    .with(PreferenceColumns.ANSWER_TOKENS, PairSampler.learned(own), 0)
                    .with(PreferenceColumns.DESIRABLE, desirable);
        }
        TokenizedExample other = cut(exchanged(whole(index), whole(partner(index))), index);
        Sample both = sampler.sample(new TokenizedPair(own, other));
        return both.with(PreferenceColumns.ANSWER_TOKENS, PairSampler.learned(own), PairSampler.learned(other))
                .with(PreferenceColumns.DESIRABLE, desirable);
    }

    /** The one before in its block; the first has the last. */
    private int partner(int index) {
        int start = index / block * block;
        int end = Math.min(size(), start + block);
        return index == start ? end - 1 : index - 1;
    }

    /** A prompt with what another answer has after its own. */
    private static TokenizedExample exchanged(TokenizedExample own, TokenizedExample other) {
        int prompt = own.promptLength();
        int from = other.promptLength();
        int added = other.ids().length - from;
        int[] ids = Arrays.copyOf(own.ids(), prompt + added);
        boolean[] trained = Arrays.copyOf(own.trained(), prompt + added);
        System.arraycopy(other.ids(), from, ids, prompt, added);
        System.arraycopy(other.trained(), from, trained, prompt, added);
        return new TokenizedExample(ids, trained, own.leadingLength());
    }

    private TokenizedExample whole(int index) {
        return answers.apply(index);
    }

    private TokenizedExample tokenized(int index) {
        try {
            return tokenizer
                    .tokenize(((UnpairedPreference) examples.get(index)).example())
                    .withPromptOf(promptLimit);
        } catch (UserErrorException e) {
            String message = String.valueOf(e.getMessage());
            String location = examples.location(index);
            throw message.startsWith(location) ? e : new UserErrorException(location + ": " + message, e);
        }
    }

    private TokenizedExample cut(TokenizedExample whole, int index) {
        int longest = options.maxLength();
        if (whole.ids().length > longest && options.truncation() == TruncationPolicy.ERROR) {
            throw new UserErrorException(location(index) + ": the answer with its prompt has " + whole.ids().length
                    + " tokens, max_length is " + longest + "; raise it, or set truncation to right or left");
        }
        TokenizedExample cut = whole.cutTo(longest, options.truncation());
        if (PairSampler.learned(cut) == 0) {
            throw new UserErrorException(location(index) + ": no token of an answer is left: the prompt alone has "
                    + whole.promptLength() + " tokens, max_length is " + longest
                    + "; raise it, or set truncation to left");
        }
        return cut;
    }
}
