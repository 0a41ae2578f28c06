package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A loss that is no number on a compressed base ends as on a plain one: with its place, and the state before it kept. */
class NonFiniteOnQuantisedBaseTest {

    private static final Path MODEL = Path.of("../finetune-core/src/test/resources/goldens/arch/qwen2");

    @TempDir
    Path directory;

    /** What a listener spoils after the third step: a large number gives infinities in the products, the other is none. */
    @ParameterizedTest
    @ValueSource(doubles = {1e38, Double.NaN})
    void theStateBeforeTheBadStepIsKeptWhereItIsGood(double factor) {
        LoadOptions options =
                LoadOptions.defaults().withCompression(Quantization.qlora().compression());
        try (CausalLM model = CausalLM.load(MODEL, options);
                AttachedStrategy lora = FineTuningMethod.named("lora")
                        .create(new Settings("test", Map.of("target_modules", "all-linear")))
                        .attach(model)) {
            Trainer trainer = new Trainer(
                    model,
                    lora,
                    TrainingArguments.builder()
                            .batchSize(2)
                            .maxSteps(9)
                            .saveSteps(2)
                            .outputDirectory(directory)
                            .build(),
                    samples(),
                    null,
                    new Collator(0, 1),
                    List.of(new Spoiler(lora, factor)));
            String message =
                    assertThrows(UserErrorException.class, trainer::train).getMessage();
            assertEquals(1, message.lines().count());
            assertTrue(message.startsWith("step 4: the loss is NaN"), message);
            if (Double.isNaN(factor)) {
                assertTrue(message.contains("lora_A"), message);
                assertTrue(message.contains("the last good state is in checkpoint-2"), message);
            } else {
                assertTrue(message.contains("the output of model.layers.0"), message);
                assertTrue(message.contains("the state before this step is in checkpoint-3"), message);
                assertTrue(Files.exists(directory.resolve("checkpoint-3/adapter_model.safetensors")));
            }
        }
    }

    private static TrainingDataset samples() {
        return new TrainingDataset() {
            @Override
            public int size() {
                return 8;
            }

            @Override
            public Sample get(int index) {
                int[] ids = IntStream.range(3, 11).map(id -> id + index).toArray();
                return new Sample(ids, ids);
            }
        };
    }

    private record Spoiler(AttachedStrategy strategy, double factor) implements TrainingListener {

        @Override
        public void onStep(StepMetrics metrics) {
            if (metrics.step() == 3) {
                try (Autograd.Mode mode = Autograd.disabled();
                        TensorScope scope = TensorScope.open()) {
                    for (Parameter parameter : strategy.trainableParameters()) {
                        parameter.value().mulInPlace(factor);
                    }
                }
            }
        }
    }
}
