package org.finetune4j.data;

import org.finetune4j.model.Tokenizer;

/** The samples of an {@link InstructionDataset}, tokenised when they are asked for. The tokenizer must stay open. */
public final class InstructionSamples implements TokenizedDataset {

    private final InstructionDataset records;
    private final PromptTemplate template;
    private final LazySamples samples;

    private InstructionSamples(InstructionDataset records, PromptTemplate template, LazySamples samples) {
        this.records = records;
        this.template = template;
        this.samples = samples;
    }

    static InstructionSamples of(InstructionDataset records, Tokenizer tokenizer, TokenizationOptions options) {
        InstructionTokenizer instructionTokenizer = new InstructionTokenizer(tokenizer);
        PromptTemplate template = options.template();
        LazySamples samples = LazySamples.of(
                records.size(),
                i -> {
                    InstructionRecord record = records.record(i);
                    return instructionTokenizer.tokenize(template.prompt(record), template.completion(record));
                },
                records::location,
                options.maxLength(),
                options.truncation());
        return new InstructionSamples(records, template, samples);
    }

    @Override
    public int size() {
        return samples.size();
    }

    @Override
    public Sample get(int index) {
        return samples.get(index);
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
     * {@return the record that became the sample at {@code index}}
     *
     * @param index of a sample, from 0
     */
    public InstructionRecord record(int index) {
        return records.record(samples.recordIndex(index));
    }

    /**
     * {@return the prompt of the sample at {@code index}: what the model is given to generate from}
     *
     * @param index of a sample, from 0
     */
    public String prompt(int index) {
        return template.prompt(record(index));
    }
}
