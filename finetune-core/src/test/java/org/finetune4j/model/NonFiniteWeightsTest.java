package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A number that is none is not written, and the tensor that holds it is named. */
class NonFiniteWeightsTest {

    private static final String NORM = "model.norm.weight";

    @TempDir
    Path directory;

    private static CausalLM model(float value) {
        CausalLM model =
                CausalLM.initialize(SmallModels.config("LlamaForCausalLM", new Random(1)), null, Device.CPU, 1);
        try (TensorScope scope = TensorScope.open()) {
            model.network()
                    .namedParameters()
                    .get(NORM)
                    .value()
                    .narrow(0, 1, 1)
                    .copyInPlace(Tensors.of(new float[] {value}, 1));
        }
        return model;
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void aModelWithSuchANumberIsNotWrittenNorReplacesAnother(float value) throws Exception {
        try (CausalLM good = model(1);
                CausalLM bad = model(value)) {
            ModelWriter.of(good).maxShardBytes(2_000).write(directory);
            long files = count();
            String index = Files.readString(directory.resolve("model.safetensors.index.json"));
            String message = assertThrows(
                            UserErrorException.class,
                            () -> ModelWriter.of(bad).maxShardBytes(2_000).write(directory))
                    .getMessage();
            assertTrue(message.contains(NORM), message);
            assertEquals(files, count());
            assertEquals(index, Files.readString(directory.resolve("model.safetensors.index.json")));
            try (CausalLM again = CausalLM.load(directory);
                    TensorScope scope = TensorScope.open()) {
                assertTrue(again.network().namedParameters().get(NORM).value().isFinite());
            }
        }
    }

    @Test
    void aNumberThatTheTypeCannotHoldIsNotWritten() {
        try (CausalLM large = model(70_000)) {
            String message = assertThrows(
                            UserErrorException.class,
                            () -> ModelWriter.of(large).dtype(DType.FLOAT16).write(directory.resolve("half")))
                    .getMessage();
            assertTrue(message.contains(NORM) && message.contains("70000") && message.contains("float16"), message);
            assertFalse(Files.exists(directory.resolve("half").resolve("model.safetensors")));
            ModelWriter.of(large).dtype(DType.BFLOAT16).write(directory.resolve("brain"));
        }
    }

    @Test
    void aNumberThatTheTypeCannotHoldIsNotLoaded() {
        try (CausalLM large = model(70_000)) {
            large.save(directory);
        }
        String message = assertThrows(
                        UserErrorException.class,
                        () -> CausalLM.load(
                                directory,
                                LoadOptions.defaults().withDType(DType.FLOAT16).withDevice(Device.CPU)))
                .getMessage();
        assertTrue(message.contains(NORM) && message.contains("float16"), message);
    }

    @Test
    void aTrainingMayKeepWhatItHas() {
        try (CausalLM bad = model(Float.NaN)) {
            ModelWriter.of(bad).exact().write(directory);
            assertTrue(Files.exists(directory.resolve("model.safetensors")));
        }
    }

    private long count() throws Exception {
        try (var files = Files.list(directory)) {
            return files.count();
        }
    }
}
