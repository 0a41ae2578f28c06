package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.HeadlessCheckpoints;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * An encoder that was never a classifier gets what it lacks at random: an adapter brings all of it along, so that it gives
 * the same on an encoder that was loaded again, whatever that one drew.
 */
class NewHeadTest {

    private static final Path GOLDENS = Path.of("../finetune-core/src/test/resources/goldens");
    private static final ModelInputs INPUTS = ModelInputs.of(5, 9, 7, 4);

    @TempDir
    private Path directory;

    static Stream<Arguments> cases() {
        return Stream.of(
                        "arch/bert-seqcls",
                        "variants/roberta-seqcls",
                        "variants/electra-seqcls",
                        "variants/distilbert-seqcls",
                        "variants/modernbert-seqcls",
                        "variants/modernbert-mean")
                .flatMap(encoder -> Stream.of(
                                Map.of("method", "lora", "r", 2, "target_modules", "all-linear"),
                                Map.of("method", "bitfit"),
                                Map.of("method", "prompt_tuning", "num_virtual_tokens", 2),
                                Map.of("method", "adapter", "bottleneck_size", 2))
                        .map(settings -> Arguments.of(encoder, settings)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void anAdapterHasAllThatIsNewBelowIt(String encoder, Map<String, Object> settings) {
        FineTuningStrategy method = FineTuningMethod.named(String.valueOf(settings.get("method")))
                .create(new Settings("config.yaml", settings));
        Path base = HeadlessCheckpoints.write(GOLDENS.resolve(encoder), directory.resolve("base"));
        Path saved = directory.resolve("adapter");
        float[] expected;
        try (CausalLM model = load(base, 1);
                Adapter adapter = (Adapter) method.attach(model)) {
            expected = logits(model);
            adapter.save(saved);
        }
        try (CausalLM other = load(base, 2)) {
            assertFalse(Arrays.equals(expected, logits(other)), "another draw of the head");
            try (Adapter adapter = AdapterFormat.load(other, saved, false)) {
                assertArrayEquals(expected, logits(other), 1e-6f);
            }
        }
    }

    private static CausalLM load(Path base, long seed) {
        try (RandomGenerator.Use use = RandomGenerator.of(seed).use()) {
            return CausalLM.load(base, LoadOptions.defaults().asClassifier(3));
        }
    }

    private static float[] logits(CausalLM model) {
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(INPUTS).toFloatArray();
        }
    }
}
