package org.finetune4j.rlhf.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
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
import org.finetune4j.data.examples.ExampleList;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.format.PromptOnly;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.prompt.PromptTuning;
import org.finetune4j.peft.prompt.PromptTuningConfig;
import org.finetune4j.rlhf.rollout.SamplingOptions;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.gradient.DistillationOptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A student comes nearer to its teacher: on records, on its own answers, on what was written down. */
class DistillationTrainerTest {

    private static final FineTuningStrategy LORA =
            Lora.builder().rank(8).alpha(16).targetModules("all-linear").build();

    @TempDir
    Path directory;

    private final List<EvaluationMetrics> measured = new ArrayList<>();
    private final List<StepMetrics> steps = new ArrayList<>();

    private static CausalLM model(long seed) {
        Tokenizer tokenizer = TestTokenizers.gpt2();
        String config = """
                {"architectures": ["LlamaForCausalLM"], "vocab_size": %d, "hidden_size": 32, "intermediate_size": 48,
                 "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
                 "initializer_range": 0.2, "tie_word_embeddings": false, "rms_norm_eps": 1e-5}
                """.formatted(tokenizer.rows());
        return CausalLM.initialize(ModelConfig.parse(config, "a tiny model"), tokenizer, Device.CPU, seed);
    }

    private static ExampleDataset records(int count) {
        List<Example> records = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            records.add(new PromptCompletion("What comes after " + i + "?", " " + (i + 1)));
        }
        return new ExampleList("records", records);
    }

    private static TrainingArgumentsBuilder arguments() {
        return TrainingArguments.builder()
                .batchSize(4)
                .maxSteps(12)
                .evalSteps(12)
                .learningRate(1e-2)
                .seed(1);
    }

    private DistillationTrainer trainer(CausalLM student) {
        measured.clear();
        steps.clear();
        return DistillationTrainer.of(student)
                .strategy(LORA)
                .dataset(records(12))
                .evaluation(records(4))
                .arguments(arguments().build())
                .messages(line -> {})
                .listener(new TrainingListener() {
                    @Override
                    public void onEvaluation(EvaluationMetrics metrics) {
                        measured.add(metrics);
                    }

                    @Override
                    public void onStep(StepMetrics metrics) {
                        steps.add(metrics);
                    }
                });
    }

    /** Of four steps. */
    private double meanLoss(int from) {
        return steps.subList(from, from + 4).stream()
                .mapToDouble(StepMetrics::loss)
                .average()
                .orElseThrow();
    }

    private void assertNearer(double factor) {
        double before = measured.get(0).metric("distillation");
        double after = measured.get(measured.size() - 1).metric("distillation");
        assertTrue(after < factor * before, before + " to " + after);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.5, 1})
    void aStudentComesNearerToItsTeacher(double beta) {
        try (CausalLM teacher = model(1);
                CausalLM student = model(2);
                TrainingResult result = trainer(student)
                        .teacher(teacher)
                        .options(new DistillationOptions(beta, 1, 1))
                        .train()) {
            assertEquals(12, result.summary().steps());
            assertNearer(0.8);
        }
    }

    @Test
    void itsOwnAnswersTeachItToo() {
        try (CausalLM teacher = model(1);
                CausalLM student = model(2);
                TrainingResult result = trainer(student)
                        .teacher(teacher)
                        .options(new DistillationOptions(1, 1, 1))
                        .onPolicy(1, SamplingOptions.of(1, 8))
                        .train()) {
            assertEquals(12, result.summary().steps());
            assertTrue(steps.stream().allMatch(step -> step.metrics().get("on_policy") == 1), steps::toString);
            assertTrue(steps.get(0).metrics().get("completions/mean_length") > 1, steps::toString);
            assertTrue(steps.get(11).loss() < 0.9 * steps.get(0).loss(), steps::toString);
        }
    }

    @Test
    void promptsNeedNoAnswersWhereTheTeacherWritesThem() {
        ExampleDataset prompts = new ExampleList(
                "prompts", List.of(PromptOnly.of("What comes after 3?"), PromptOnly.of("What comes after 7?")));
        try (CausalLM teacher = model(1);
                CausalLM student = model(2);
                TrainingResult result = trainer(student)
                        .teacher(teacher)
                        .dataset(prompts)
                        .tokenization(SupervisedOptions.builder().maxLength(64).build())
                        .teacherAnswers(SamplingOptions.of(1, 8))
                        .train()) {
            assertEquals(0.0, steps.get(0).metrics().get("on_policy"));
            // The teacher answers anew in every step, with 16 tokens: one step's loss is not the next one's.
            assertTrue(meanLoss(8) < 0.95 * meanLoss(0), steps::toString);
        }
    }

    @Test
    void virtualTokensLearnFromATeacher() {
        try (CausalLM teacher = model(1);
                CausalLM student = model(2);
                TrainingResult result = trainer(student)
                        .teacher(teacher)
                        .strategy(PromptTuning.of(PromptTuningConfig.of(8)))
                        .onPolicy(0.5, SamplingOptions.of(1, 8))
                        .arguments(arguments().learningRate(0.1).build())
                        .train()) {
            assertNearer(0.99);
        }
    }

    @Test
    void whatATeacherSaidOnceTeachesWithoutIt() throws IOException {
        Path kept = directory.resolve("kept");
        int words = TestTokenizers.gpt2().rows();
        double first;
        try (CausalLM teacher = model(1);
                CausalLM student = model(2)) {
            trainer(student).teacher(teacher).storedLogits(kept, words).train().close();
            first = steps.get(0).loss();
            trainer(student).teacher(teacher).train().close();
            assertEquals(steps.get(0).loss(), first, 1e-5, "all words are the whole distribution");
        }
        byte[] file = Files.readAllBytes(kept.resolve("teacher-logits-train.safetensors"));
        try (CausalLM student = model(2)) {
            trainer(student).storedLogits(kept, 0).train().close();
            assertEquals(first, steps.get(0).loss(), 1e-6);
            assertNearer(0.8);
            assertRefused(trainer(student).storedLogits(kept, 0).dataset(records(5)), "of other samples");
            assertRefused(
                    trainer(student).storedLogits(kept, 0).options(new DistillationOptions(0.5, 2, 1)),
                    "distillation_temperature 1.0, and it is 2.0 now");
            assertRefused(trainer(student).storedLogits(kept, 7), "loss_top_k is 7");
            assertRefused(
                    trainer(student).storedLogits(kept, 0).onPolicy(0.5, SamplingOptions.of(1, 8)), "set one of both");
        }
        assertArrayEquals(file, Files.readAllBytes(kept.resolve("teacher-logits-train.safetensors")));
    }

    private static void assertRefused(DistillationTrainer trainer, String expected) {
        String message = assertThrows(UserErrorException.class, trainer::train).getMessage();
        assertTrue(message.contains(expected) && message.lines().count() == 1, message);
    }

    @Test
    void aTeacherOfOtherWordsIsRefused() {
        try (CausalLM student = model(2);
                CausalLM other = CausalLM.load(Path.of("../finetune-core/src/test/resources/goldens/arch/llama"))) {
            assertRefused(trainer(student).teacher(other), "words");
            assertRefused(trainer(student), "there is no teacher");
        }
    }

    /** Nobody catches it on the way. */
    private static final class Killed extends Error {
        private static final long serialVersionUID = 1;
    }

    private byte[] run(String name, boolean resume, long killedAt) throws IOException {
        Path output = directory.resolve(name);
        try (CausalLM teacher = model(1);
                CausalLM student = model(2);
                TrainingResult result = trainer(student)
                        .teacher(teacher)
                        .onPolicy(0.5, SamplingOptions.of(1, 6))
                        .arguments(arguments()
                                .batchSize(2)
                                .gradientAccumulationSteps(2)
                                .maxSteps(6)
                                .saveSteps(1)
                                .outputDirectory(output)
                                .resume(resume)
                                .build())
                        .listener(new TrainingListener() {
                            @Override
                            public void onStep(StepMetrics metrics) {
                                if (metrics.step() == killedAt) {
                                    throw new Killed();
                                }
                            }
                        })
                        .train()) {
            result.saveAdapter(output.resolve("adapter"));
        }
        return Files.readAllBytes(output.resolve("adapter/adapter_model.safetensors"));
    }

    @Test
    void aKilledRunEndsInTheSameBytes() throws IOException {
        byte[] whole = run("whole", false, -1);
        assertThrows(Killed.class, () -> run("killed", false, 4));
        assertArrayEquals(whole, run("killed", true, -1));
    }
}
