package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.model.safetensors.CheckpointWriter;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A gpt-oss whose experts are in MXFP4, beside what transformers 5.18 unpacks them to. */
class Mxfp4TensorTest {

    private static final Path PACKED = Path.of("src/test/resources/goldens/variants/gpt-oss-mxfp4");
    private static final String EXPERTS = "model.layers.0.mlp.experts.";

    @TempDir
    Path directory;

    private static SafetensorsFile unpacked() {
        return SafetensorsFile.open(PACKED.resolve("unpacked.safetensors"));
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "BFLOAT16"})
    void everyExpertHasTheNumbersThatTransformersUnpacks(DType dtype) {
        int compared = 0;
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile expected = unpacked();
                CausalLM model = CausalLM.load(PACKED, LoadOptions.defaults().withDType(dtype))) {
            for (String name : expected.names()) {
                if (!name.contains("experts")) {
                    continue;
                }
                String projection = name.substring(name.lastIndexOf('.') + 1);
                for (int expert = 0; expert < 4; expert++) {
                    String own = name.replace(projection, expert + "." + projection + ".weight");
                    Parameter parameter = model.network().namedParameters().get(own);
                    assertEquals(dtype, parameter.dtype());
                    assertArrayEquals(floats(expected.tensor(name).select(0, expert)), floats(parameter.value()), own);
                    compared++;
                }
            }
        }
        assertEquals(16, compared);
    }

    @Test
    void everyCodeAndScaleIsTheNumberThatTransformersTakesItFor() {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile expected = unpacked()) {
            CheckpointWriter.write(
                    directory,
                    Stream.of("every_blocks", "every_scales")
                            .map(name -> Entry.of(name, expected.tensor(name)))
                            .toList(),
                    CheckpointWriter.DEFAULT_MAX_SHARD_BYTES);
            try (CheckpointReader reader = CheckpointReader.open(directory)) {
                Tensor all = expected.tensor("every");
                assertArrayEquals(all.shape(), Mxfp4Tensor.shape(reader, "every"));
                assertArrayEquals(floats(all.select(0, 0)), floats(Mxfp4Tensor.read(reader, "every", 0)));
            }
        }
    }

    @Test
    void whatIsWrittenIsUnpackedAndGivesTheSameScores() {
        ModelInputs inputs = ModelInputs.of(new int[] {3, 9, 4, 7, 11, 5});
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(PACKED)) {
            assertFalse(model.config().has(ModelConfig.QUANTIZATION));
            ModelWriter.of(model).write(directory);
            try (CausalLM again = CausalLM.load(directory);
                    CheckpointReader reader = CheckpointReader.open(directory)) {
                assertArrayEquals(floats(model.logits(inputs)), floats(again.logits(inputs)));
                assertFalse(again.config().has(ModelConfig.QUANTIZATION));
                assertArrayEquals(new long[] {4, 32, 64}, reader.shape(EXPERTS + "gate_up_proj"));
                assertArrayEquals(new long[] {4, 64}, reader.shape(EXPERTS + "gate_up_proj_bias"));
                assertArrayEquals(new long[] {4, 32, 32}, reader.shape(EXPERTS + "down_proj"));
                assertTrue(reader.names().stream().noneMatch(name -> name.matches(".*(_blocks|_scales|\\d\\.down.*)")));
            }
        }
    }

    @Test
    void shapesAndTypeOfAModelAreThoseOfTheUnpackedOne() {
        ModelConfig config = ModelConfig.load(PACKED);
        ModelConfig untyped =
                ModelConfig.parse(config.toString().replaceFirst("\"dtype\"\\s*:\\s*\"float32\",", ""), "config.json");
        try (CausalLM shapes = CausalLM.shapes(config, DType.BFLOAT16);
                CausalLM drawn = CausalLM.initialize(untyped, null, Device.CPU, 1)) {
            assertArrayEquals(
                    new long[] {32, 64},
                    shapes.network()
                            .namedParameters()
                            .get(EXPERTS + "3.gate_up_proj.weight")
                            .shape());
            assertEquals(DType.BFLOAT16, drawn.config().storageDType());
        }
    }

    @Test
    void blocksThatAreNoneAreRefusedByName() throws IOException {
        assertRefused("down_proj_scales", tensor -> tensor.narrow(1, 0, 7), "down_proj_blocks' [4, 32, 1, 16]");
        assertRefused("gate_up_proj_blocks", tensor -> tensor.to(DType.FLOAT32), "gate_up_proj_blocks' holds float32");
        assertRefused("down_proj_scales", null, "the checkpoint has no tensor");
        assertRefused(
                "gate_up_proj_scales",
                tensor -> Tensors.full(255, DType.UINT8, tensor.device(), tensor.shape()),
                "gate_up_proj[0]' has NaN or infinite values");
    }

    @Test
    void anotherNumberOfExpertsThanTheConfigurationsIsRefused() throws IOException {
        for (String count : List.of("3", "5")) {
            String config = Files.readString(PACKED.resolve("config.json"))
                    .replace("\"num_local_experts\": 4", "\"num_local_experts\": " + count);
            Files.copy(PACKED.resolve("model.safetensors"), directory.resolve(count + ".safetensors"));
            Path folder = Files.createDirectory(directory.resolve(count));
            Files.writeString(folder.resolve("config.json"), config);
            Files.move(directory.resolve(count + ".safetensors"), folder.resolve("model.safetensors"));
            String message =
                    assertThrows(UserErrorException.class, () -> load(folder)).getMessage();
            assertTrue(message.contains("has the shape [") && message.contains("config.json asks for"), message);
        }
    }

    private void assertRefused(String ending, @Nullable Change change, String expected) throws IOException {
        Path folder = Files.createTempDirectory(directory, "broken");
        Files.copy(PACKED.resolve("config.json"), folder.resolve("config.json"));
        try (TensorScope scope = TensorScope.open();
                CheckpointReader reader = CheckpointReader.open(PACKED)) {
            List<Entry> entries = reader.names().stream()
                    .filter(name -> change != null || !name.equals(EXPERTS + ending))
                    .map(name -> Entry.of(
                            name,
                            change != null && name.equals(EXPERTS + ending)
                                    ? change.of(reader.tensor(name)).contiguous()
                                    : reader.tensor(name)))
                    .toList();
            CheckpointWriter.write(folder, entries, CheckpointWriter.DEFAULT_MAX_SHARD_BYTES);
        }
        String message =
                assertThrows(UserErrorException.class, () -> load(folder)).getMessage();
        assertTrue(message.contains(expected), message);
    }

    private interface Change {
        Tensor of(Tensor tensor);
    }

    private static void load(Path folder) {
        try (CausalLM model = CausalLM.load(folder)) {
            model.config();
        }
    }

    private static float[] floats(Tensor tensor) {
        return tensor.to(DType.FLOAT32).contiguous().toFloatArray();
    }
}
