package org.finetune4j.rlhf.reward;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.ExampleList;
import org.finetune4j.data.format.PlainText;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.StepInterval;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A reward model from Java: what people prefer is learned from nothing and found again in the saved model. */
class RewardTrainerTest {

    private static final Path TOKENIZER = Path.of("../finetune-core/src/test/resources/tokenizer/tiny-llama2-bpe");
    private static final List<String> WORDS = List.of("the", "old", "man", "sees", "one", "more", "thing");

    @TempDir
    Path directory;

    private CausalLM judge() throws IOException {
        Path words = Files.createDirectories(directory.resolve("tokenizer"));
        Files.copy(TOKENIZER.resolve("tokenizer.json"), words.resolve("tokenizer.json"));
        Files.writeString(words.resolve("tokenizer_config.json"), "{\"eos_token\": \"</s>\"}");
        Tokenizer tokenizer = Tokenizer.load(words);
        ModelConfig config = ModelConfig.parse("""
                {"architectures": ["LlamaForSequenceClassification"], "vocab_size": %d, "hidden_size": 32,
                 "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_labels": 1,
                 "pad_token_id": 0, "initializer_range": 0.2, "max_position_embeddings": 128}
                """.formatted(tokenizer.rows()), "a judge");
        return CausalLM.initialize(config, tokenizer, Device.CPU, 5);
    }

    /** Short answers are preferred to long ones. */
    private static ExampleDataset pairs(int count, long seed) {
        Random random = new Random(seed);
        List<PreferencePair> pairs = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String prompt = words(random, 3);
            pairs.add(new PreferencePair(
                    new PromptCompletion(prompt, words(random, 1)), new PromptCompletion(prompt, words(random, 4))));
        }
        return new ExampleList("pairs", List.copyOf(pairs));
    }

    private static String words(Random random, int count) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            text.append(' ').append(WORDS.get(random.nextInt(WORDS.size())));
        }
        return text.toString();
    }

    @Test
    void whatIsPreferredIsLearned() throws IOException {
        List<EvaluationMetrics> seen = new ArrayList<>();
        List<PromptCompletion> answers = List.of(
                new PromptCompletion(" the old man", " sees"),
                new PromptCompletion(" the old man", " sees one more thing"));
        double[] rewards;
        try (CausalLM model = judge();
                TrainingResult result = RewardTrainer.of(model)
                        .pairs(pairs(120, 1))
                        .evaluationFraction(0.25)
                        .centring(0.01)
                        .arguments(TrainingArguments.builder()
                                .perDeviceTrainBatchSize(8)
                                .maxSteps(40)
                                .learningRate(5e-3)
                                .evaluation(StepInterval.every(20))
                                .build())
                        .messages(message -> {})
                        .listener(new TrainingListener() {
                            @Override
                            public void onEvaluation(EvaluationMetrics metrics) {
                                seen.add(metrics);
                            }
                        })
                        .train()) {
            EvaluationMetrics last = seen.get(seen.size() - 1);
            assertTrue(last.metric("accuracy") >= 0.9, () -> String.valueOf(last.scores()));
            assertTrue(last.metric("margin") > 0 && last.metric("calibration_error") < 0.3, last.scores()::toString);
            rewards = RewardModel.of(model).score(answers);
            assertTrue(rewards[0] > rewards[1]);
            result.save(directory.resolve("saved"));
        }
        try (RewardModel again = RewardModel.load(directory.resolve("saved"), new LoadOptions(Device.CPU, null))) {
            assertArrayEquals(rewards, again.score(answers), 1e-6);
        }
    }

    @Test
    void whatIsNoPairIsRefused() throws IOException {
        try (CausalLM model = judge()) {
            RewardTrainer trainer = RewardTrainer.of(model);
            assertEquals(
                    "there is nothing to train on: set pairs",
                    assertThrows(UserErrorException.class, trainer::train).getMessage());
            trainer.pairs(new ExampleList("texts", List.of(new PlainText("a text"))));
            String message =
                    assertThrows(UserErrorException.class, trainer::train).getMessage();
            assertTrue(message.contains("learns from pairs") && message.contains("plain text"), message);
        }
    }

    @Test
    void aModelThatIsAsSureAsItIsRightIsCalibrated() {
        Calibration right = new Calibration();
        Calibration boastful = new Calibration();
        for (int i = 0; i < 100; i++) {
            double sure = Math.log(0.8 / 0.2); // of 80%
            right.add(i < 80 ? sure : -sure);
            boastful.add(i < 50 ? 10 : -10);
        }
        assertEquals(0, right.expectedError(), 1e-9);
        assertEquals(0.5, boastful.expectedError(), 1e-4);
        assertEquals(
                List.of(0.8, 0.85, 100.0),
                right.table().rows().get(0).subList(0, 3).stream()
                        .map(value -> Math.round(value * 1000) / 1000.0)
                        .toList());
    }
}
