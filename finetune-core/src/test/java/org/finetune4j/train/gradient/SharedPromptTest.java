package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.GoldenModels;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Answers to one prompt that share its tokens give what each of them gives behind a prompt of its own. */
class SharedPromptTest {

    private static final int[] PROMPT = {5, 17, 80, 9, 33, 41, 2, 77, 60};
    private static final int[][] ANSWERS = {{8, 90, 91, 14}, {101, 3, 56, 57, 58, 59, 12}, {44}};

    static List<String> decoders() {
        return GoldenModels.names().stream()
                .filter(name -> !name.endsWith("-seqcls"))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("decoders")
    void lossesAndGradientsAreThoseOfSeparateRows(String name) {
        Sample other = separate(new int[] {7, 6, 5, 4}, new int[] {3, 2, 1});
        List<Sample> apart = IntStream.range(0, ANSWERS.length)
                .mapToObj(i -> separate(PROMPT, ANSWERS[i]))
                .toList();
        Collator collator = new Collator(0, 1);
        Batch rows = collator.collate(IntStream.range(0, ANSWERS.length + 1)
                .mapToObj(i -> i < ANSWERS.length ? apart.get(i) : other)
                .toList());
        Batch shared = collator.collate(List.of(together(), other));
        try (CausalLM model = CausalLM.load(GoldenModels.directory(name));
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            assertArrayEquals(
                    TokenLogprobs.of(model, rows).values(),
                    TokenLogprobs.of(model, shared).values(),
                    1e-5);
            Map<String, float[]> expected = gradients(model, rows);
            NamedGradients.assertSame(expected, gradients(model, shared), 1e-5f);
        }
    }

    private static Map<String, float[]> gradients(CausalLM model, Batch batch) {
        model.network().allParameters().forEach(Parameter::clearGrad);
        LossHead head = LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens());
        // Dropout draws for every row, and the balance of experts counts a token as often as it is there.
        new Backpropagation(model, GradientCheckpointing.none())
                .withoutDropout()
                .run(batch.modelInputs(), head);
        assertEquals(15, batch.labelledTokens());
        return NamedGradients.of(model.network().namedParameters());
    }

    private static Sample separate(int[] prompt, int[] answer) {
        int[] ids = Arrays.copyOf(prompt, prompt.length + answer.length);
        System.arraycopy(answer, 0, ids, prompt.length, answer.length);
        int[] labels = ids.clone();
        Arrays.fill(labels, 0, prompt.length, Sample.IGNORE_INDEX);
        return new Sample(ids, labels);
    }

    private static Sample together() {
        int[] ids = IntStream.concat(
                        Arrays.stream(PROMPT), Arrays.stream(ANSWERS).flatMapToInt(Arrays::stream))
                .toArray();
        int[] labels = ids.clone();
        Arrays.fill(labels, 0, PROMPT.length, Sample.IGNORE_INDEX);
        int[] positions = IntStream.concat(
                        IntStream.range(0, PROMPT.length),
                        Arrays.stream(ANSWERS)
                                .flatMapToInt(answer -> IntStream.range(PROMPT.length, PROMPT.length + answer.length)))
                .toArray();
        return new Sample(ids, labels, positions);
    }
}
