package org.finetune4j.rlhf.rollout;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.InputFiles;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Answers to one prompt share its tokens, and are what they are by themselves. */
class AnswerRowsTest {

    private static final Path MODELS = Path.of("../finetune-core/src/test/resources/goldens/arch");
    private static final int[] PROMPT = {5, 17, 42, 99, 7, 8, 3, 120, 33, 64};
    private static final int[][] ANSWERS = {{31, 4, 150}, {88}, {9, 61, 60, 2}};

    private static List<TrainedAnswer> answers() {
        List<TrainedAnswer> answers = new ArrayList<>();
        for (int[] answer : ANSWERS) {
            double[] numbers = new double[answer.length];
            Arrays.setAll(numbers, t -> answer[t]);
            answers.add(new TrainedAnswer(PROMPT, answer, Map.of())
                    .with(TrainedAnswer.DRAWN, numbers)
                    .with(TrainedAnswer.ADVANTAGE, answer[0]));
        }
        answers.add(new TrainedAnswer(new int[] {1, 2}, new int[] {3}, Map.of())
                .with(TrainedAnswer.DRAWN, 3)
                .with(TrainedAnswer.ADVANTAGE, 3));
        return answers;
    }

    @Test
    void aPromptStandsOnceInARowAndColumnsFollowTheAnswers() {
        Batch batch = AnswerRows.batch(answers(), new Collator(0, 1), true);
        assertEquals(2, batch.batchSize());
        assertEquals(PROMPT.length + 3 + 1 + 4, batch.sequenceLength());
        assertEquals(4, AnswerRows.count(batch));
        int[] lengths = AnswerRows.lengths(batch);
        assertArrayEquals(new int[] {3, 1, 4, 1}, lengths);
        double[][] drawn = AnswerRows.tokens(batch, TrainedAnswer.DRAWN, lengths);
        assertArrayEquals(new double[] {9, 61, 60, 2}, drawn[2]);
        assertArrayEquals(new float[] {31, 88, 9, 3}, AnswerRows.answers(batch, TrainedAnswer.ADVANTAGE));
    }

    @ParameterizedTest
    @CsvSource({"false, 2", "true, 4"})
    void expertsThatAreBalancedByTheLossSeeEveryAnswersPrompt(boolean balanced, int rows) {
        String config = InputFiles.jsonObject(MODELS.resolve("mixtral/config.json"))
                .put("output_router_logits", balanced)
                .toString();
        try (CausalLM model = CausalLM.initialize(ModelConfig.parse(config, "mixtral"), null, Device.CPU, 1)) {
            assertEquals(rows, AnswerBatches.of(model, 4).of(answers()).get(0).batchSize());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "gpt2", "gemma2"})
    void whatAModelSaysDoesNotDependOnWhichAnswersShareARow(String name) {
        try (CausalLM model = CausalLM.load(MODELS.resolve(name));
                TensorScope scope = TensorScope.open()) {
            AnswerReader together = new AnswerReader(new AnswerBatches(new Collator(0, 1), 4, true), 0.7);
            AnswerReader apart = new AnswerReader(new AnswerBatches(new Collator(0, 1), 1, true), 0.7);
            AnswerReader.Reading one = together.read(model, answers(), null);
            AnswerReader.Reading other = apart.read(model, answers(), null);
            for (int i = 0; i < one.logprobs().length; i++) {
                assertArrayEquals(other.logprobs()[i], one.logprobs()[i], 1e-5);
            }
        }
    }

    @Test
    void aBufferGivesBackTheAnswersOfItsRound() {
        try (TensorScope scope = TensorScope.open()) {
            List<TrainedAnswer> back = AnswerBuffer.answers(AnswerBuffer.tensors(answers()));
            assertEquals(4, back.size());
            for (int i = 0; i < back.size(); i++) {
                assertArrayEquals(answers().get(i).prompt(), back.get(i).prompt());
                assertArrayEquals(answers().get(i).answer(), back.get(i).answer());
                assertArrayEquals(
                        answers().get(i).columns().get(TrainedAnswer.DRAWN),
                        back.get(i).columns().get(TrainedAnswer.DRAWN));
            }
            assertEquals(List.of(), AnswerBuffer.answers(AnswerBuffer.tensors(List.of())));
        }
    }
}
