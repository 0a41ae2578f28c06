package org.finetune4j.data;

import com.google.common.primitives.ImmutableIntArray;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.Tokenizer;

/** The samples of an {@link InstructionDataset}, tokenised when they are asked for. The tokenizer must stay open. */
public final class InstructionSamples implements TrainingDataset {

    private final InstructionDataset records;
    private final InstructionTokenizer tokenizer;
    private final TokenizationOptions options;
    private final ImmutableIntArray kept;

    private InstructionSamples(
            InstructionDataset records,
            InstructionTokenizer tokenizer,
            TokenizationOptions options,
            ImmutableIntArray kept) {
        this.records = records;
        this.tokenizer = tokenizer;
        this.options = options;
        this.kept = kept;
    }

    static InstructionSamples of(InstructionDataset records, Tokenizer tokenizer, TokenizationOptions options) {
        InstructionTokenizer instructionTokenizer = new InstructionTokenizer(tokenizer, options);
        IntStream indices = IntStream.range(0, records.size());
        if (options.truncation() == TruncationPolicy.DROP) {
            indices = indices.filter(i -> instructionTokenizer.fits(instructionTokenizer.tokenize(records.record(i))));
        }
        ImmutableIntArray kept = ImmutableIntArray.copyOf(indices);
        if (kept.isEmpty()) {
            throw new UserErrorException("no sample is left: all " + records.size()
                    + " records have more than max_length " + options.maxLength() + " tokens");
        }
        return new InstructionSamples(records, instructionTokenizer, options, kept);
    }

    @Override
    public int size() {
        return kept.length();
    }

    @Override
    public Sample get(int index) {
        int record = kept.get(index);
        return tokenizer.toSample(tokenizer.tokenize(records.record(record)), records.location(record));
    }

    @Override
    public String location(int index) {
        return records.location(kept.get(index));
    }

    /** The record that became the sample at {@code index}. */
    public InstructionRecord record(int index) {
        return records.record(kept.get(index));
    }

    /** The prompt of the sample at {@code index}: what the model is given to generate from. */
    public String prompt(int index) {
        return options.template().prompt(record(index));
    }

    /**
     * Tokenises everything once and counts, for a report before training. Problems are collected, not thrown.
     *
     * @param maxProblems messages collected at most
     */
    public TokenizationReport report(int maxProblems) {
        int truncated = 0;
        int longest = 0;
        long tokens = 0;
        long labelledTokens = 0;
        int failed = 0;
        List<String> problems = new ArrayList<>();
        for (int i = 0; i < size(); i++) {
            try {
                InstructionTokenizer.Untruncated untruncated = tokenizer.tokenize(record(i));
                Sample sample = tokenizer.toSample(untruncated, location(i));
                truncated += tokenizer.fits(untruncated) ? 0 : 1;
                longest = Math.max(longest, sample.length());
                tokens += sample.length();
                labelledTokens += sample.labelledTokens();
            } catch (UserErrorException e) {
                failed++;
                if (problems.size() < maxProblems) {
                    problems.add(String.valueOf(e.getMessage()));
                }
            }
        }
        int dropped = records.size() - size();
        return new TokenizationReport(
                size() - failed, truncated, dropped, failed, tokens, labelledTokens, longest, problems);
    }
}
