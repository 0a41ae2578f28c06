package org.finetune4j.rlhf.preference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.StepInterval;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is preferred is learned, against a reference that costs no second model. */
@Tag("slow")
class PreferenceTrainerTest {

    private static final FineTuningStrategy LORA =
            Lora.builder().rank(4).alpha(8).targetModules("all-linear").build();

    @TempDir
    Path directory;

    private static final class Ears implements TrainingListener {

        private final List<Double> losses = new ArrayList<>();
        private final List<EvaluationMetrics> evaluations = new ArrayList<>();

        @Override
        public void onStep(StepMetrics metrics) {
            losses.add(metrics.loss());
        }

        @Override
        public void onEvaluation(EvaluationMetrics metrics) {
            evaluations.add(metrics);
        }

        EvaluationMetrics last() {
            return evaluations.get(evaluations.size() - 1);
        }
    }

    private static TrainingArgumentsBuilder arguments(int steps) {
        return TrainingArguments.builder()
                .perDeviceTrainBatchSize(8)
                .maxSteps(steps)
                .learningRate(5e-3)
                .evaluation(StepInterval.every(steps));
    }

    private Ears train(PreferenceTrainer trainer) {
        Ears ears = new Ears();
        try (TrainingResult result =
                trainer.messages(message -> {}).listener(ears).train()) {
            assertEquals(ears.losses.size(), result.summary().steps());
        }
        return ears;
    }

    @ParameterizedTest
    @ValueSource(strings = {"dpo", "orpo", "simpo", "cpo"})
    void heldOutPairsAreToldApartAfterSomeSteps(String name) {
        PairObjective objective =
                switch (name) {
                    case "dpo" -> PairObjective.dpo(0.5);
                    case "orpo" -> PairObjective.orpo(1);
                    case "simpo" -> PairObjective.simpo(2, 1);
                    default -> PairObjective.cpo(0.1, 1);
                };
        try (CausalLM model = TinyPolicy.create(directory, 5)) {
            Ears ears = train(PreferenceTrainer.of(model, objective)
                    .strategy(LORA)
                    .dataset(TinyPolicy.pairs(80, 1))
                    .evaluation(TinyPolicy.pairs(24, 2))
                    .arguments(arguments(40).build()));
            double before = ears.evaluations.get(0).loss();
            assertTrue(ears.last().loss() < 0.9 * before, () -> before + " to " + ears.last());
            assertTrue(
                    ears.last().metric("rewards/accuracies") >= 0.75,
                    () -> ears.last().scores().toString());
        }
    }

    @Test
    void aTrainingThatBeginsIsAtTheReference() {
        try (CausalLM model = TinyPolicy.create(directory, 5)) {
            Ears ears = train(PreferenceTrainer.of(model, PairObjective.dpo(0.5))
                    .strategy(LORA)
                    .dataset(TinyPolicy.pairs(8, 1))
                    .arguments(arguments(2).build()));
            assertEquals(Math.log(2), ears.losses.get(0), 1e-6);
        }
    }

    @Test
    void judgedAnswersAreLearnedFrom() {
        try (CausalLM model = TinyPolicy.create(directory, 5)) {
            Ears ears = train(PreferenceTrainer.of(model, UnpairedObjective.kto(0.5))
                    .strategy(LORA)
                    .dataset(TinyPolicy.judged(80, 1))
                    .evaluation(TinyPolicy.judged(24, 2))
                    .arguments(arguments(40).build()));
            assertEquals(0.5, ears.losses.get(0), 1e-6);
            assertTrue(
                    ears.last().metric("rewards/margins") > 0.5,
                    () -> ears.last().scores().toString());
        }
    }

    /** The base below an adapter, asked batch by batch or before the first step, and full fine-tuning's numbers in a file. */
    @Test
    void aReferenceAskedBeforeGivesTheSameLosses() {
        List<Double> asked;
        List<Double> before;
        ExampleDataset pairs = TinyPolicy.pairs(24, 1);
        try (CausalLM model = TinyPolicy.create(directory, 5)) {
            asked = train(PreferenceTrainer.of(model, PairObjective.dpo(0.5))
                            .strategy(LORA)
                            .dataset(pairs)
                            .arguments(arguments(6).build()))
                    .losses;
        }
        try (CausalLM model = TinyPolicy.create(directory, 5)) {
            before = train(PreferenceTrainer.of(model, PairObjective.dpo(0.5))
                            .strategy(LORA)
                            .dataset(pairs)
                            .layout(new SampleLayout(true, true, 0, true, directory.resolve("kept")))
                            .arguments(arguments(6).build()))
                    .losses;
        }
        assertTrue(Files.exists(directory.resolve("kept/reference-logprobs-train.safetensors")));
        assertEquals(asked.size(), before.size());
        for (int i = 0; i < asked.size(); i++) {
            assertEquals(asked.get(i), before.get(i), 1e-5, "step " + (i + 1));
        }
    }

    private Ears full(long seed, ExampleDataset pairs) {
        try (CausalLM model = TinyPolicy.create(directory, seed)) {
            return train(PreferenceTrainer.of(model, PairObjective.dpo(0.5))
                    .strategy(new FullFineTuning())
                    .dataset(pairs)
                    .layout(new SampleLayout(true, true, 0, false, directory.resolve("kept")))
                    .arguments(arguments(10).learningRate(2e-3).build()));
        }
    }

    @Test
    void fullFineTuningHasItsReferenceFromBeforeTheFirstStepAndReadsItAgain() throws IOException {
        ExampleDataset pairs = TinyPolicy.pairs(24, 1);
        Ears first = full(5, pairs);
        assertEquals(Math.log(2), first.losses.get(0), 1e-6);
        assertTrue(first.losses.get(9) < 0.65, first.losses::toString);
        Path file = directory.resolve("kept/reference-logprobs-train.safetensors");
        byte[] kept = Files.readAllBytes(file);
        assertEquals(first.losses, full(5, pairs).losses);
        assertEquals(kept.length, Files.readAllBytes(file).length);
        String other = String.valueOf(
                assertThrows(UserErrorException.class, () -> full(6, pairs)).getMessage());
        assertTrue(other.startsWith(file + ": these log-probabilities are of another model"), other);
        String data = String.valueOf(assertThrows(UserErrorException.class, () -> full(5, TinyPolicy.pairs(24, 9)))
                .getMessage());
        assertTrue(data.startsWith(file + ": these log-probabilities are of other samples"), data);
    }

    @Test
    void recordsOfAnotherKindAreRefused() {
        try (CausalLM model = TinyPolicy.create(directory, 5)) {
            PreferenceTrainer pairs = PreferenceTrainer.of(model, PairObjective.dpo(0.1));
            assertEquals(
                    "there is nothing to train on: set a dataset",
                    assertThrows(UserErrorException.class, pairs::train).getMessage());
            pairs.dataset(TinyPolicy.judged(4, 1));
            String message = String.valueOf(
                    assertThrows(UserErrorException.class, pairs::train).getMessage());
            assertTrue(message.contains("learns from pairs of a chosen and a rejected answer"), message);
            PreferenceTrainer alone = PreferenceTrainer.of(model, UnpairedObjective.kto(0.1))
                    .dataset(TinyPolicy.judged(4, 1))
                    .arguments(arguments(1).perDeviceTrainBatchSize(1).build());
            assertTrue(String.valueOf(
                            assertThrows(UserErrorException.class, alone::train).getMessage())
                    .contains("expected at least 2"));
        }
    }
}
