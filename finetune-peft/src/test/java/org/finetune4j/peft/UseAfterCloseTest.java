package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraBatch;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is closed writes nothing: it says so before a file is touched. Adapters themselves are held to it by their contract. */
class UseAfterCloseTest {

    private static final Path LLAMA = PeftParityTest.BASES.resolve("llama");

    @TempDir
    Path directory;

    private void assertRefused(Map<String, Executable> uses) {
        uses.forEach((use, call) -> assertThrows(IllegalStateException.class, call, use));
        assertFalse(Files.exists(directory.resolve("written")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"lora", "full"})
    void aTrainingResult(String method) {
        FineTuningStrategy strategy = method.equals("full")
                ? new FullFineTuning()
                : Lora.builder().rank(2).build();
        Path written = directory.resolve("written");
        try (CausalLM model = CausalLM.load(LLAMA)) {
            TrainingResult result = FineTuner.of(model)
                    .strategy(strategy)
                    .dataset(new SyntheticSamples(4, 199, 1))
                    .arguments(TrainingArguments.builder().maxSteps(1).build())
                    .train();
            AttachedStrategy attached = result.strategy();
            result.close();
            result.close();
            assertEquals(1, result.summary().steps());
            assertRefused(Map.of(
                    "save", () -> result.save(written),
                    "saveAdapter", () -> result.saveAdapter(written),
                    "adapter", result::adapter,
                    "strategy", result::strategy,
                    "save of the method", () -> attached.save(written),
                    "export of the method", () -> attached.export(written),
                    "parameters of the method", attached::trainableParameters));
        }
    }

    @Test
    void aSetOfAdaptersAndABatchOfThem() {
        Path written = directory.resolve("written");
        try (CausalLM model = CausalLM.load(LLAMA)) {
            AdapterSet adapters = AdapterSet.of(model);
            adapters.add("one", Lora.builder().rank(2).build());
            LoraBatch batch = LoraBatch.of(model, adapters);
            batch.close();
            adapters.close();
            adapters.close();
            assertRefused(Map.of(
                    "save", () -> adapters.save(written),
                    "names", adapters::names,
                    "get", () -> adapters.get("one"),
                    "active", adapters::active,
                    "activate", () -> adapters.activate("one"),
                    "deactivate", adapters::deactivate,
                    "remove", () -> adapters.remove("one"),
                    "add", () -> adapters.add("two", Lora.builder().rank(2).build()),
                    "assign", () -> batch.assign("one")));
        }
    }
}
