package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;

class CollatorTest {

    private static final int PAD = 0;

    @Property(tries = 200)
    void rowsAreTheSamplesPaddedOnTheRight(
            @ForAll("samples") @Size(min = 1, max = 8) List<Sample> samples,
            @ForAll @IntRange(min = 1, max = 16) int multiple) {
        Batch batch = new Collator(PAD, multiple).collate(samples);
        int longest = samples.stream().mapToInt(Sample::length).max().orElseThrow();
        assertEquals(samples.size(), batch.batchSize());
        assertEquals(0, batch.sequenceLength() % multiple);
        assertTrue(batch.sequenceLength() >= longest && batch.sequenceLength() < longest + multiple);
        for (int row = 0; row < samples.size(); row++) {
            Sample sample = samples.get(row);
            for (int column = 0; column < batch.sequenceLength(); column++) {
                int at = row * batch.sequenceLength() + column;
                boolean real = column < sample.length();
                assertEquals(real ? sample.inputIds()[column] : PAD, batch.inputIds()[at]);
                assertEquals(real ? 1 : 0, batch.attentionMask()[at]);
                assertEquals(real ? sample.labels()[column] : Sample.IGNORE_INDEX, batch.labels()[at]);
            }
        }
    }

    @Property(tries = 200)
    void paddingChangesNoCount(@ForAll("samples") @Size(min = 1, max = 8) List<Sample> samples) {
        Batch batch = new Collator(PAD, 8).collate(samples);
        assertEquals(samples.stream().mapToInt(Sample::labelledTokens).sum(), batch.labelledTokens());
        assertEquals(samples.stream().mapToInt(Sample::length).sum(), batch.realTokens());
        assertEquals(batch.realTokens() < batch.batchSize() * batch.sequenceLength(), batch.hasPadding());
    }

    @Example
    void columnsComeRowByRowWithAsManyNumbersAsTheSampleHad() {
        Sample one = new Sample(new int[] {5, 6}, new int[] {5, 6})
                .with("reward", 0.5f)
                .with("reference", -1, -2)
                .with("drawn", 7, 8);
        Sample two = new Sample(new int[] {5, 6, 7}, new int[] {5, 6, 7})
                .with("reward", -0.5f)
                .with("reference", -3, -4, -5)
                .with("drawn", 1 << 24, 0, -9);
        Batch batch = new Collator(PAD, 8).collate(List.of(one, two));
        assertArrayEquals(new float[][] {{0.5f}, {-0.5f}}, batch.column("reward"));
        assertArrayEquals(new float[][] {{-1, -2}, {-3, -4, -5}}, batch.column("reference"));
        assertArrayEquals(new int[][] {{7, 8}, {1 << 24, 0, -9}}, batch.wholeColumn("drawn"));
    }

    @Example
    void numbersThatAColumnCannotHoldAreRefused() {
        Sample sample = new Sample(new int[] {5}, new int[] {5});
        assertThrows(IllegalArgumentException.class, () -> sample.with("id", (1 << 24) + 1));
        assertThrows(IllegalArgumentException.class, () -> sample.with("id", Integer.MIN_VALUE));
        Batch batch = new Collator(PAD, 1).collate(List.of(sample.with("reward", 0.5f)));
        UserErrorException e = assertThrows(UserErrorException.class, () -> batch.wholeColumn("reward"));
        assertTrue(e.getMessage().contains("0.5"), e.getMessage());
    }

    @Example
    void theFirstTokenOfARowIsNeverPredictedAndNotCounted() {
        int x = Sample.IGNORE_INDEX;
        Batch batch = new Batch(2, 3, new int[6], new byte[6], new int[] {5, 5, x, 5, x, 5}, null);
        assertEquals(2, batch.labelledTokens());
        assertEquals(1, new Sample(new int[] {7, 8}, new int[] {7, 8}).labelledTokens());
    }

    @Example
    void anEndOfSequenceTokenThatAlsoPadsIsRealWhereTheMaskSaysSo() {
        Batch batch = new Collator(9, 1).collate(List.of(sample(1, 9), sample(1, 2, 9)));
        assertArrayEquals(new int[] {1, 9, 9, 1, 2, 9}, batch.inputIds());
        assertArrayEquals(new byte[] {1, 1, 0, 1, 1, 1}, batch.attentionMask());
        assertArrayEquals(new int[] {1, 9, -100, 1, 2, 9}, batch.labels());
    }

    @Example
    void theTokenizerSaysWhatToPadWith() {
        try (Tokenizer eosOnly = TestTokenizers.llama2();
                Tokenizer padded = TestTokenizers.load("tiny-llama2-bpe", "{\"pad_token\": \"<unk>\"}")) {
            List<Sample> samples = List.of(sample(5), sample(5, 6));
            assertEquals(2, Collator.of(eosOnly).collate(samples).inputIds()[1]);
            assertEquals(0, Collator.of(padded).collate(samples).inputIds()[1]);
        }
    }

    @Example
    void wrongShapesAreRefusedWithBothSizes() {
        Collator collator = new Collator(PAD, 1);
        assertThrows(IllegalArgumentException.class, () -> collator.collate(List.of()));
        assertThrows(IllegalArgumentException.class, () -> new Collator(-1, 1));
        assertThrows(IllegalArgumentException.class, () -> new Collator(0, 0));
        assertThrows(IllegalArgumentException.class, () -> new Sample(new int[0], new int[0]));
        assertThrows(IllegalArgumentException.class, () -> new Sample(new int[2], new int[1]));
        String message = assertThrows(
                        IllegalArgumentException.class,
                        () -> new Batch(2, 3, new int[6], new byte[5], new int[6], null))
                .getMessage();
        assertTrue(message.contains("[2, 3]") && message.contains("attentionMask 5"), message);
    }

    @Example
    void samplesAreEqualByTheirTokensAndLabels() {
        assertEquals(sample(1, 2), sample(1, 2));
        assertEquals(sample(1, 2).hashCode(), sample(1, 2).hashCode());
        assertFalse(sample(1, 2).equals(new Sample(new int[] {1, 2}, new int[] {-100, 2})));
    }

    @Provide
    Arbitrary<List<Sample>> samples() {
        Arbitrary<Sample> sample = Combinators.combine(
                        Arbitraries.integers().between(1, 30),
                        Arbitraries.integers().between(0, 30))
                .as((length, prompt) -> new Sample(
                        IntStream.range(0, length).map(i -> i + 1).toArray(),
                        IntStream.range(0, length)
                                .map(i -> i < prompt ? Sample.IGNORE_INDEX : i + 1)
                                .toArray()));
        return sample.list();
    }

    private static Sample sample(int... ids) {
        return new Sample(ids, ids.clone());
    }
}
