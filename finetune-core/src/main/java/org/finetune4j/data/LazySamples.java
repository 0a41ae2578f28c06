package org.finetune4j.data;

import com.google.common.primitives.ImmutableIntArray;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;

/** Samples that are tokenised when they are asked for. What {@link TruncationPolicy#DROP} leaves out is found at once. */
public final class LazySamples implements TokenizedDataset {

    private final int records;
    private final IntFunction<TokenizedExample> tokenize;
    private final IntFunction<String> location;
    private final SampleMaker maker;
    private final ImmutableIntArray kept;

    private LazySamples(
            int records,
            IntFunction<TokenizedExample> tokenize,
            IntFunction<String> location,
            SampleMaker maker,
            ImmutableIntArray kept) {
        this.records = records;
        this.tokenize = tokenize;
        this.location = location;
        this.maker = maker;
        this.kept = kept;
    }

    /**
     * The samples of {@code records} records.
     *
     * @param records number of records
     * @param tokenize gives the tokens of a record; any thread may call it
     * @param location says where a record came from
     * @param maxLength the most tokens a sample may have
     * @param truncation what happens to longer ones
     * @return the samples
     * @throws UserErrorException when no sample is left
     */
    public static LazySamples of(
            int records,
            IntFunction<TokenizedExample> tokenize,
            IntFunction<String> location,
            int maxLength,
            TruncationPolicy truncation) {
        SampleMaker maker = new SampleMaker(maxLength, truncation);
        IntStream indices = IntStream.range(0, records);
        if (truncation == TruncationPolicy.DROP) {
            indices = indices.parallel().filter(i -> maker.fits(tokenize.apply(i)));
        }
        ImmutableIntArray kept = ImmutableIntArray.copyOf(indices.toArray());
        if (kept.isEmpty()) {
            throw new UserErrorException("no sample is left: all " + records + " records have more than max_length "
                    + maxLength + " tokens");
        }
        return new LazySamples(records, tokenize, location, maker, kept);
    }

    @Override
    public int size() {
        return kept.length();
    }

    @Override
    public Sample get(int index) {
        int record = kept.get(index);
        return maker.sample(tokenize.apply(record), location.apply(record));
    }

    @Override
    public String location(int index) {
        return location.apply(kept.get(index));
    }

    @Override
    public int recordIndex(int index) {
        return kept.get(index);
    }

    @Override
    public TokenizationReport report(int maxProblems, Visitor visitor) {
        int truncated = 0;
        int longest = 0;
        long tokens = 0;
        long labelledTokens = 0;
        int failed = 0;
        List<String> problems = new ArrayList<>();
        for (int i = 0; i < size(); i++) {
            try {
                TokenizedExample example = tokenize.apply(kept.get(i));
                Sample sample = maker.sample(example, location(i));
                truncated += maker.fits(example) ? 0 : 1;
                longest = Math.max(longest, sample.length());
                tokens += sample.length();
                labelledTokens += sample.labelledTokens();
                visitor.sample(i, sample);
            } catch (UserErrorException e) {
                failed++;
                if (problems.size() < maxProblems) {
                    problems.add(String.valueOf(e.getMessage()));
                }
            }
        }
        return new TokenizationReport(
                size() - failed, truncated, records - size(), failed, tokens, labelledTokens, longest, problems);
    }
}
