package org.finetune4j.peft.adalora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.TestJson;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.GoldenTrajectory;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Twelve steps of AdaLoRA as PEFT did them: losses, importance, budgets, and which directions each step leaves. */
class AdaLoraTrajectoryTest {

    private static final Path GOLDEN = Path.of("src/test/resources/goldens/train/adalora");
    private static final AdaLoraConfig CONFIG = new AdaLoraConfig(
            2,
            6,
            8,
            0,
            2,
            4,
            2,
            0.85,
            0.85,
            0.5,
            12,
            true,
            Map.of(),
            ModuleSelection.of(new TargetModules.Names(List.of("q_proj", "v_proj"))));

    @TempDir
    Path directory;

    @Test
    void everyStepLeavesTheDirectionsThatPeftLeft() throws IOException {
        JsonNode recorded = TestJson.read(GOLDEN.resolve("golden.json"));
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile golden = SafetensorsFile.open(GOLDEN.resolve("golden.safetensors"));
                CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                AdaLoraAdapter adapter = AdaLora.of(CONFIG).attach(model)) {
            adapter.parametersByKey()
                    .forEach((key, parameter) ->
                            parameter.value().detach().copyInPlace(golden.tensor("initial." + key)));
            JsonNode steps = recorded.path("steps");
            TrainingArguments arguments = TrainingArguments.builder()
                    .batchSize(2)
                    .maxSteps(steps.size())
                    .learningRate(0.02)
                    .schedule(LearningRateSchedule.CONSTANT)
                    .maxGradNorm(0)
                    .shuffle(false)
                    .build();
            TrainingListener recorder = new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    int number = (int) metrics.step() - 1;
                    assertEquals(steps.path(number).path("loss").asDouble(), metrics.loss(), 1e-4, "step " + number);
                    assertValues(golden, adapter, number);
                }
            };
            new Trainer(
                            model,
                            adapter,
                            arguments,
                            GoldenTrajectory.samples(),
                            null,
                            new Collator(0, 1),
                            List.of(recorder))
                    .train();
            adapter.parametersByKey()
                    .forEach((key, parameter) -> assertArrayEquals(
                            golden.tensor("final." + key).toFloatArray(),
                            parameter.value().detach().toFloatArray(),
                            1e-4f,
                            key));
            JsonNode pattern = recorded.path("rank_pattern");
            adapter.kept().forEach((path, kept) -> {
                List<Boolean> expected = new ArrayList<>();
                pattern.path(path + ".lora_E.default").forEach(flag -> expected.add(flag.asBoolean()));
                assertEquals(expected, kept, path);
            });
            assertEquals(pattern.size(), adapter.kept().size());
            assertExportedAsKept(model, adapter, pattern);
        }
    }

    private static void assertValues(SafetensorsFile golden, AdaLoraAdapter adapter, int step) {
        String recorded = "step" + step + ".";
        List<String> keys = golden.names().stream()
                .filter(name -> name.startsWith(recorded) && name.endsWith("lora_E"))
                .map(name -> name.substring(recorded.length()))
                .toList();
        assertFalse(keys.isEmpty(), recorded);
        for (String key : keys) {
            float[] expected = golden.tensor(recorded + key).toFloatArray();
            float[] actual = adapter.parametersByKey().get(key).value().detach().toFloatArray();
            assertArrayEquals(expected, actual, 1e-4f, key + " after step " + step);
            assertEquals(zeros(expected), zeros(actual), key + " after step " + step);
        }
    }

    /** What is exported has the kept directions only, and computes the same. */
    private void assertExportedAsKept(CausalLM model, AdaLoraAdapter adapter, JsonNode pattern) {
        ModelInputs inputs = ModelInputs.of(5, 9, 17, 33, 4, 8);
        float[] expected = model.logits(inputs).toFloatArray();
        adapter.export(directory);
        adapter.disable();
        try (Adapter exported = AdapterFormat.load(model, directory, false)) {
            assertArrayEquals(expected, model.logits(inputs).toFloatArray(), 1e-5f);
            exported.parametersByKey().forEach((key, parameter) -> {
                if (key.endsWith("lora_E")) {
                    String path = key.substring("base_model.model.".length());
                    long kept = 0;
                    for (JsonNode flag : pattern.path(path + ".default")) {
                        kept += flag.asBoolean() ? 1 : 0;
                    }
                    assertEquals(kept, parameter.value().size(0), key);
                }
            });
            exported.save(directory.resolve("again"));
            assertEquals(
                    AdapterConfigFile.read(directory).asMap(),
                    AdapterConfigFile.read(directory.resolve("again")).asMap());
        }
    }

    private static List<Integer> zeros(float[] values) {
        List<Integer> zeros = new ArrayList<>();
        for (int i = 0; i < values.length; i++) {
            if (values[i] == 0) {
                zeros.add(i);
            }
        }
        return zeros;
    }
}
