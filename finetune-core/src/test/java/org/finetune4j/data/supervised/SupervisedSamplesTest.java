package org.finetune4j.data.supervised;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TokenizationReport;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.TrainingDatasetContract;
import org.finetune4j.data.TruncationPolicy;
import org.finetune4j.data.examples.InstructionDataset;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class SupervisedSamplesTest extends TrainingDatasetContract {

    private static final List<Instruction> RECORDS = List.of(
            new Instruction("Add.", "1 and 2", "3"),
            new Instruction("Greet.", "Hello!"),
            new Instruction("Say nothing.", ""),
            new Instruction("Count.", "one two three four five six seven eight nine ten"));

    private static Tokenizer gpt2;
    private static Tokenizer llama2;

    @BeforeAll
    static void open() {
        gpt2 = TestTokenizers.gpt2();
        llama2 = TestTokenizers.llama2();
    }

    @AfterAll
    static void close() {
        gpt2.close();
        llama2.close();
    }

    @Override
    protected TrainingDataset dataset() {
        return SupervisedSamples.of(
                InstructionDataset.of(RECORDS),
                gpt2,
                SupervisedOptions.builder().build());
    }

    @Test
    void onlyTheAnswerAndTheEndOfSequenceAreLabelled() {
        for (Tokenizer tokenizer : List.of(gpt2, llama2)) {
            SupervisedSamples samples = SupervisedSamples.of(
                    InstructionDataset.of(RECORDS),
                    tokenizer,
                    SupervisedOptions.builder().build());
            for (int i = 0; i < samples.size(); i++) {
                PromptCompletion question = samples.question(i).orElseThrow();
                int[] prompt = tokenizer.encode(question.prompt(), true);
                int[] text = tokenizer.encode(question.prompt() + question.completion(), true);
                int[] answer = tail(text, text.length - prompt.length);
                int[] eos = {tokenizer.eosTokenId().orElseThrow()};
                Sample sample = samples.get(i);
                assertArrayEquals(concat(prompt, answer, eos), sample.inputIds());
                assertArrayEquals(concat(ignored(prompt.length), answer, eos), sample.labels());
            }
        }
    }

    @Test
    void specialTokensThatTheTextBringsAreNotAddedAgain() {
        PromptTemplate withBos = record -> "<s>" + record.instruction();
        Sample sample = SupervisedSamples.of(
                        InstructionDataset.of(List.of(new Instruction("hi", "there</s>"))),
                        llama2,
                        options(withBos, 1024, TruncationPolicy.RIGHT))
                .get(0);
        assertEquals(1, count(sample.inputIds(), 1), "one BOS");
        assertEquals(1, count(sample.inputIds(), 2), "one EOS");
        assertEquals(1, sample.inputIds()[0]);
        assertEquals(2, sample.inputIds()[sample.length() - 1]);
    }

    @Test
    void truncationOnTheRightCutsTheAnswer() {
        Sample whole = single(options(bare(), 1024, TruncationPolicy.RIGHT));
        Sample cut = single(options(bare(), whole.length() - 2, TruncationPolicy.RIGHT));
        assertArrayEquals(Arrays.copyOf(whole.inputIds(), whole.length() - 2), cut.inputIds());
        assertArrayEquals(Arrays.copyOf(whole.labels(), whole.length() - 2), cut.labels());
    }

    @Test
    void truncationOnTheLeftCutsThePromptButNotBos() {
        Sample whole = single(options(bare(), 1024, TruncationPolicy.RIGHT));
        Sample cut = single(options(bare(), whole.length() - 1, TruncationPolicy.LEFT));
        int tail = whole.length() - 2;
        assertArrayEquals(concat(new int[] {1}, tail(whole.inputIds(), tail)), cut.inputIds());
        assertArrayEquals(concat(ignored(1), tail(whole.labels(), tail)), cut.labels());
        assertEquals(whole.labelledTokens(), cut.labelledTokens());
    }

    @Test
    void truncationOnTheLeftThatReachesTheAnswerLeavesBosWithoutLabel() {
        Sample cut = single(options(bare(), 3, TruncationPolicy.LEFT));
        assertEquals(1, cut.inputIds()[0]);
        assertEquals(Sample.IGNORE_INDEX, cut.labels()[0]);
        assertEquals(2, cut.labelledTokens());
    }

    @Test
    void aSampleWithoutALabelledTokenLeftIsRefusedWithItsPlace() {
        SupervisedSamples samples = SupervisedSamples.of(
                InstructionDataset.of(RECORDS), gpt2, options(new AlpacaTemplate(), 8, TruncationPolicy.RIGHT));
        String message =
                assertThrows(UserErrorException.class, () -> samples.get(1)).getMessage();
        assertTrue(message.startsWith("record 1: no labelled token is left"), message);
        assertTrue(message.contains("max_length is 8"), message);
    }

    @Test
    void aLongSampleIsRefusedWithItsLengthWhenAsked() {
        SupervisedSamples samples =
                SupervisedSamples.of(InstructionDataset.of(RECORDS), gpt2, options(bare(), 6, TruncationPolicy.ERROR));
        int length =
                gpt2.encode("Count.", true).length + gpt2.encode(RECORDS.get(3).output(), false).length + 1;
        String message =
                assertThrows(UserErrorException.class, () -> samples.get(3)).getMessage();
        assertTrue(message.startsWith("record 3: the sample has " + length + " tokens, max_length is 6"), message);
    }

    @Test
    void longSamplesAreLeftOutWhenAsked() {
        int limit = gpt2.encode("Say nothing.", true).length + 1;
        SupervisedSamples samples = SupervisedSamples.of(
                InstructionDataset.of(RECORDS), gpt2, options(bare(), limit, TruncationPolicy.DROP));
        assertTrue(samples.size() < RECORDS.size());
        assertTrue(
                IntStream.range(0, samples.size()).allMatch(i -> samples.get(i).length() <= limit));
        assertTrue(IntStream.range(0, samples.size())
                .anyMatch(i -> RECORDS.get(samples.recordIndex(i)).equals(RECORDS.get(2))
                        && samples.location(i).equals("record 2")));
        assertEquals(RECORDS.size() - samples.size(), samples.report(5).dropped());
    }

    @Test
    void leavingOutEverySampleIsRefused() {
        InstructionDataset dataset = InstructionDataset.of(RECORDS);
        SupervisedOptions options = options(new AlpacaTemplate(), 8, TruncationPolicy.DROP);
        assertThrows(UserErrorException.class, () -> SupervisedSamples.of(dataset, gpt2, options));
    }

    @Test
    void theReportCountsAndCollectsWhatCannotBeTrained() {
        InstructionDataset dataset = InstructionDataset.of(RECORDS);
        TokenizationReport all = SupervisedSamples.of(
                        dataset, gpt2, SupervisedOptions.builder().build())
                .report(10);
        assertEquals(4, all.samples());
        assertEquals(0, all.truncated() + all.dropped() + all.failed());
        assertEquals(List.of(), all.problems());
        TrainingDataset samples = dataset();
        assertEquals(
                IntStream.range(0, 4).mapToLong(i -> samples.get(i).length()).sum(), all.tokens());
        assertEquals(
                IntStream.range(0, 4)
                        .mapToLong(i -> samples.get(i).labelledTokens())
                        .sum(),
                all.labelledTokens());
        assertEquals(
                IntStream.range(0, 4).map(i -> samples.get(i).length()).max().orElseThrow(), all.longest());

        TokenizationReport short8 = SupervisedSamples.of(
                        dataset, gpt2, options(new AlpacaTemplate(), 8, TruncationPolicy.RIGHT))
                .report(2);
        assertEquals(4, short8.failed());
        assertEquals(2, short8.problems().size());
    }

    @Test
    void aTokenizerWithoutEndOfSequenceIsRefused() {
        try (Tokenizer tokenizer = TestTokenizers.load("tiny-gpt2-bpe", "{}")) {
            InstructionDataset dataset = InstructionDataset.of(RECORDS);
            SupervisedOptions options = SupervisedOptions.builder().build();
            String message = assertThrows(
                            UserErrorException.class, () -> SupervisedSamples.of(dataset, tokenizer, options))
                    .getMessage();
            assertTrue(message.contains("eos_token"), message);
        }
    }

    @Test
    void aLimitThatLeavesNothingToPredictIsRefused() {
        var builder = SupervisedOptions.builder().maxLength(1);
        assertThrows(UserErrorException.class, builder::build);
    }

    private static Sample single(SupervisedOptions options) {
        return SupervisedSamples.of(
                        InstructionDataset.of(List.of(new Instruction("one two three", "four five six seven"))),
                        llama2,
                        options)
                .get(0);
    }

    private static PromptTemplate bare() {
        return Instruction::instruction;
    }

    private static SupervisedOptions options(PromptTemplate template, int maxLength, TruncationPolicy truncation) {
        return SupervisedOptions.builder()
                .promptTemplate(template)
                .maxLength(maxLength)
                .truncation(truncation)
                .build();
    }

    private static int[] ignored(int count) {
        int[] labels = new int[count];
        Arrays.fill(labels, Sample.IGNORE_INDEX);
        return labels;
    }

    private static int[] tail(int[] ids, int count) {
        return Arrays.copyOfRange(ids, ids.length - count, ids.length);
    }

    private static int[] concat(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(Arrays::stream).toArray();
    }

    private static long count(int[] ids, int id) {
        return Arrays.stream(ids).filter(other -> other == id).count();
    }
}
