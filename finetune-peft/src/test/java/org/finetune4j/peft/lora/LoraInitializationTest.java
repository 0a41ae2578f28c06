package org.finetune4j.peft.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.peft.lora.LoraInitialization.Matrices;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Matrices that are taken from the base, as PEFT takes them. */
class LoraInitializationTest {

    private static final Path GOLDEN = Path.of("src/test/resources/goldens/peft-init/golden.safetensors");
    private static final ModelInputs PROMPT = ModelInputs.of(5, 9, 17, 33, 4, 8);

    @TempDir
    Path directory;

    @ParameterizedTest
    @CsvSource({
        "pissa, 40x24, 1.5", "pissa, 24x56, 1.5", "pissa-rslora, 40x24, 3", "pissa-rslora, 24x56, 3",
        "olora, 40x24, 1.5", "olora, 24x56, 1.5", "olora-rslora, 40x24, 3", "olora-rslora, 24x56, 3"
    })
    void productsResidualsAndOutputsAreThoseOfPeft(String kind, String shape, double scale) {
        LoraInitialization initialization =
                kind.startsWith("pissa") ? LoraInitialization.PISSA : LoraInitialization.OLORA;
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile golden = SafetensorsFile.open(GOLDEN)) {
            Tensor weight = golden.tensor("W." + shape);
            Matrices matrices = initialization.taken(weight, 4, scale, "layer");
            Tensor product = matrices.loraB().matmul(matrices.loraA());
            Tensor residual = weight.sub(product.mul(scale));
            Tensor x = golden.tensor("x." + shape);
            Tensor out = x.matmul(residual.t()).addScaled(x.matmul(product.t()), scale);
            String prefix = kind + "." + shape + ".";
            assertClose(golden.tensor(prefix + "BA"), product);
            assertClose(golden.tensor(prefix + "residual"), residual);
            assertClose(golden.tensor(prefix + "out"), out);
        }
    }

    private static void assertClose(Tensor expected, Tensor actual) {
        assertArrayEquals(
                expected.contiguous().toFloatArray(), actual.contiguous().toFloatArray(), 2e-5f);
    }

    /** What is exported needs no residual: it is a plain LoRA on the untouched base. */
    @ParameterizedTest
    @EnumSource(
            value = LoraInitialization.class,
            names = {"PISSA", "OLORA"})
    void anExportedAdapterIsAPlainLoraOfTwiceTheRank(LoraInitialization initialization) {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"))) {
            float[] trained;
            try (Adapter adapter = Lora.builder()
                    .rank(3)
                    .alpha(6)
                    .initialization(initialization)
                    .build()
                    .attach(model)) {
                adapter.parametersByKey().values().forEach(parameter -> parameter
                        .value()
                        .detach()
                        .addInPlace(parameter.value().detach().copy().normalInPlace(0, 0.1)));
                trained = model.logits(PROMPT).toFloatArray();
                adapter.export(directory);
            }
            try (Adapter exported = AdapterFormat.load(model, directory, false)) {
                LoraConfig config = ((LoraAdapter) exported).config();
                assertTrue(config.rank() == 6 && config.loraAlpha() == 12);
                assertTrue(config.initialization() == LoraInitialization.KAIMING);
                assertArrayEquals(trained, model.logits(PROMPT).toFloatArray(), 1e-4f);
            }
        }
    }

    @Test
    void aRankThatTheWeightDoesNotHaveIsRefused() {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"))) {
            Lora lora = Lora.builder()
                    .rank(1000)
                    .initialization(LoraInitialization.PISSA)
                    .build();
            String message = assertThrows(UserErrorException.class, () -> lora.attach(model))
                    .getMessage();
            assertTrue(message.contains("rank 1000"), message);
        }
    }
}
