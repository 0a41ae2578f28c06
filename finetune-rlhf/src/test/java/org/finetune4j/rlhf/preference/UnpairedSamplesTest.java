package org.finetune4j.rlhf.preference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.UnpairedPreference;
import org.finetune4j.data.supervised.ExampleTokenizer;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Judged answers come with the answer of the record before in their block, the first with the last one's. */
class UnpairedSamplesTest {

    private static final int RECORDS = 7;
    private static final int BLOCK = 3;

    @TempDir
    Path directory;

    private static float[] column(Sample sample, String name) {
        return sample.columns().get(name);
    }

    @Test
    void answersChangePlacesWithinABlockAndStandBehindTheOwnPrompt() {
        ExampleDataset examples = TinyPolicy.judged(RECORDS, 1);
        SupervisedOptions options = SupervisedOptions.builder().maxLength(64).build();
        try (CausalLM model = TinyPolicy.create(directory, 5)) {
            ExampleTokenizer tokenizer = new ExampleTokenizer(model.tokenizer(), options);
            List<TokenizedExample> plain = new ArrayList<>();
            for (int i = 0; i < RECORDS; i++) {
                plain.add(tokenizer.tokenize(((UnpairedPreference) examples.get(i)).example()));
            }
            UnpairedSamples samples = UnpairedSamples.of(examples, model.tokenizer(), options, 0, BLOCK, true);
            int[] partners = {2, 0, 1, 5, 3, 4, 6};
            for (int i = 0; i < RECORDS; i++) {
                Sample sample = samples.get(i);
                TokenizedExample own = plain.get(i);
                TokenizedExample other = plain.get(partners[i]);
                int answer = own.ids().length - own.promptLength();
                int exchanged = other.ids().length - other.promptLength();
                assertArrayEquals(
                        new float[] {answer, exchanged},
                        column(sample, PreferenceColumns.ANSWER_TOKENS),
                        "record " + i);
                assertArrayEquals(new float[] {1 - i % 2}, column(sample, PreferenceColumns.DESIRABLE));
                assertEquals(answer + exchanged, sample.labelledTokens(), "record " + i);
                int[] labels = Arrays.stream(sample.labels())
                        .filter(label -> label >= 0)
                        .toArray();
                assertArrayEquals(
                        Arrays.copyOfRange(other.ids(), other.promptLength(), other.ids().length),
                        Arrays.copyOfRange(labels, answer, labels.length));
            }
        }
    }

    @Test
    void withoutADivergenceThereIsNothingBesideTheAnswer() {
        SupervisedOptions options = SupervisedOptions.builder().maxLength(64).build();
        try (CausalLM model = TinyPolicy.create(directory, 5)) {
            UnpairedSamples samples =
                    UnpairedSamples.of(TinyPolicy.judged(2, 1), model.tokenizer(), options, 0, 1, true);
            Sample sample = samples.get(0);
            assertArrayEquals(
                    new float[] {sample.labelledTokens(), 0}, column(sample, PreferenceColumns.ANSWER_TOKENS));
        }
    }

    @Test
    void aPromptThatIsTooLongKeepsItsEndAndWhatOpensEverySequence() {
        TokenizedExample whole = new TokenizedExample(
                new int[] {1, 10, 11, 12, 13, 20, 21},
                new boolean[] {false, false, false, false, false, true, true},
                1);
        assertArrayEquals(new int[] {1, 12, 13, 20, 21}, whole.withPromptOf(3).ids());
        assertEquals(3, whole.withPromptOf(3).promptLength());
        assertEquals(whole, whole.withPromptOf(0));
        assertEquals(whole, whole.withPromptOf(5));
    }
}
