package org.finetune4j.rlhf.rollout;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.Settings;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.ExampleList;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.supervised.PromptTokenizer;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.generate.GenerationLimits;
import org.finetune4j.generate.GenerationMemory;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.nn.Parameter;
import org.finetune4j.rlhf.rewards.RewardSource;
import org.finetune4j.rlhf.rewards.WeightedRewards;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.preflight.PreflightReport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is known of a policy's training before it answers anything. */
class RolloutCheckTest {

    private static final PolicyMethod GRPO = new PolicyMethod.Group(GroupOptions.grpo());
    private static final ExampleDataset PROMPTS = new ExampleList(
            "prompt",
            Stream.of("Why?", "Who?", "Which of all the numbers that there are is the one that comes after 90?")
                    .map(prompt -> (Example) new PromptCompletion(prompt, " Yes."))
                    .toList());
    private static final RewardSetup ONE =
            (model, policy) -> new WeightedRewards(List.of(RewardSource.of("one", request -> 1)), List.of());

    private static FineTuner tuner(
            CausalLM model,
            FineTuningStrategy strategy,
            PolicyMethod method,
            SamplingOptions sampling,
            int batch,
            int longestPrompt,
            RewardSetup rewards) {
        PromptSamples prompts = new PromptSamples(
                PROMPTS,
                new PromptTokenizer(
                        model.tokenizer(),
                        SupervisedOptions.builder()
                                .promptTemplate(record -> record.instruction())
                                .build()),
                longestPrompt);
        FineTuner tuner = FineTuner.of(model)
                .strategy(strategy)
                .dataset(prompts)
                .arguments(TinyPolicy.arguments().batchSize(batch).build());
        new PolicyTraining(method, RolloutOptions.of(sampling), rewards).configure(tuner, model, prompts, null);
        return tuner;
    }

    private static PreflightReport preflight(int generations, int batch, int longestPrompt, RewardSetup rewards) {
        try (CausalLM model = TinyPolicy.model()) {
            return tuner(
                            model,
                            TinyPolicy.LORA,
                            GRPO,
                            SamplingOptions.of(generations, 8),
                            batch,
                            longestPrompt,
                            rewards)
                    .preflight();
        }
    }

    private static void assertOne(List<String> lines, String part) {
        assertEquals(1, lines.stream().filter(line -> line.contains(part)).count(), lines::toString);
    }

    @Test
    void aRoundIsMadeOfWholeGroups() {
        assertOne(preflight(4, 6, 40, ONE).findings().errors(), "num_generations is 4, but a round has 6 answers");
        assertEquals(List.of(), preflight(4, 8, 40, ONE).findings().errors());
    }

    @Test
    void promptsThatAreTooLongAreCountedAndNotCut() {
        List<String> warnings = preflight(4, 8, 8, ONE).findings().warnings();
        assertOne(warnings, "1 of 3 prompts are longer than 8 tokens and are left out");
    }

    @Test
    void aRewardModelThatReadsOtherTokensIsRefused(@TempDir Path directory) throws Exception {
        TestTokenizers.copyTo(directory, "tiny-gpt2-bpe");
        RewardSetup same = new RewardPlan(new Settings("run.yaml", Map.of("reward_model_path", directory.toString())));
        assertEquals(List.of(), preflight(4, 8, 40, same).findings().errors());
        Path file = directory.resolve("tokenizer.json");
        Files.writeString(file, Files.readString(file).replace("\"<|endoftext|>\"", "\"<|otherend|>\""));
        assertOne(preflight(4, 8, 40, same).findings().errors(), "the reward model has another tokenizer");
    }

    private static MemoryPlan plan(FineTuningStrategy strategy, PolicyMethod method, int answer) {
        try (CausalLM model = TinyPolicy.model()) {
            return tuner(model, strategy, method, SamplingOptions.of(4, answer), 8, 40, ONE)
                    .memoryPlan();
        }
    }

    @Test
    void theMemoryPlanCountsRolloutsAndCopiesOfTheReference() {
        PolicyMethod ppo = new PolicyMethod.Ppo(PpoOptions.defaults());
        MemoryPlan adapter = plan(TinyPolicy.LORA, GRPO, 8);
        assertTrue(adapter.rollouts() > 0, adapter::describe);
        assertTrue(plan(TinyPolicy.LORA, GRPO, 20).activations() > adapter.activations());
        long weights;
        long packed;
        try (CausalLM model = TinyPolicy.model()) {
            weights = model.network().allParameters().stream()
                    .mapToLong(Parameter::bytes)
                    .sum();
            packed = GenerationMemory.packedBytes(model, GenerationLimits.defaults());
        }
        MemoryPlan full = plan(new FullFineTuning(), ppo, 8);
        assertTrue(full.companions() >= weights, full::describe);
        long reference = full.companions() - plan(TinyPolicy.LORA, ppo, 8).companions();
        assertTrue(
                reference <= weights && reference >= weights - packed, "the base below the adapter is its reference");
        assertTrue(full.peak() > full.companions() + full.rollouts(), full::describe);
        assertTrue(full.describe().contains("other models"), full::describe);
    }
}
