package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.ExampleList;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PlainText;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Data comes as examples or as samples, to train on and held out, in any combination; what was set last counts. */
class FineTunerDataTest {

    private static CausalLM model;

    @BeforeAll
    static void make() {
        Tokenizer tokenizer = TestTokenizers.gpt2();
        model = CausalLM.initialize(
                ModelConfig.parse("""
                {"architectures": ["LlamaForCausalLM"], "vocab_size": %s, "hidden_size": 16, "intermediate_size": 24,
                 "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64}
                """.formatted(tokenizer.rows()), "tiny"), tokenizer, Device.CPU, 3);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static ExampleDataset examples(String... texts) {
        return new ExampleList(
                "texts", Stream.of(texts).<Example>map(PlainText::new).toList());
    }

    private static TrainingDataset samples(String... texts) {
        return SupervisedSamples.of(
                examples(texts), model.tokenizer(), SupervisedOptions.builder().build());
    }

    private static FineTuner tuner() {
        return FineTuner.of(model)
                .strategy(new FullFineTuning())
                .arguments(TrainingArguments.builder()
                        .maxSteps(1)
                        .evalSteps(1)
                        .learningRate(1e-12)
                        .build());
    }

    private static double heldOutLoss(FineTuner tuner) {
        try (TrainingResult result = tuner.train()) {
            return Objects.requireNonNull(result.summary().bestEvaluationLoss());
        }
    }

    @Test
    void heldOutDataOfEitherKindIsMeasuredBesideTrainingDataOfEitherKind() {
        double expected = heldOutLoss(tuner().dataset(examples("one two")).evaluation(examples("three")));
        assertEquals(expected, heldOutLoss(tuner().dataset(samples("one two")).evaluation(examples("three"))), 1e-6);
        assertEquals(expected, heldOutLoss(tuner().dataset(examples("one two")).evaluation(samples("three"))), 1e-6);
        assertEquals(expected, heldOutLoss(tuner().dataset(samples("one two")).evaluation(samples("three"))), 1e-6);
        assertEquals(
                expected,
                tuner().evaluation(samples("three"))
                        .evaluate(AttachedStrategy.none())
                        .loss(),
                1e-6,
                "what is only measured needs nothing to train on");
    }

    @Test
    void whatWasSetLastCounts() {
        double first = heldOutLoss(tuner().dataset(examples("a")).evaluation(examples("three")));
        FineTuner changed = tuner().dataset(samples("a")).evaluation(samples("a long other text"));
        assertEquals(first, heldOutLoss(changed.dataset(examples("a")).evaluation(examples("three"))), 1e-6);
    }

    @Test
    void whatIsNoShareOrHasNoExampleIsRefused() {
        for (double share : new double[] {0, 1, 2, -1, Double.NaN}) {
            assertThrows(IllegalArgumentException.class, () -> tuner().evaluationFraction(share));
        }
        List<Runnable> nothing = List.of(() -> tuner().evaluate(AttachedStrategy.none()), () -> tuner().train()
                .close());
        for (Runnable call : nothing) {
            UserErrorException refused = assertThrows(UserErrorException.class, call::run);
            assertTrue(refused.getMessage().contains("nothing"), refused.getMessage());
        }
    }
}
