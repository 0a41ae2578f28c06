package org.finetune4j.model.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsTest {

    private static final Path GOLDEN = Path.of("src/test/resources/goldens/arch/llama/model.safetensors");

    @TempDir
    Path directory;

    @Test
    void aFileThatTransformersWroteIsWrittenAgainByteForByte() throws IOException {
        Path copy = directory.resolve("model.safetensors");
        try (SafetensorsFile file = SafetensorsFile.open(GOLDEN);
                TensorScope scope = TensorScope.open()) {
            List<Entry> entries = file.names().stream()
                    .map(name -> Entry.of(name, file.tensor(name)))
                    .toList();
            SafetensorsWriter.write(copy, entries, SafetensorsWriter.PYTORCH_METADATA);
        }
        assertArrayEquals(Files.readAllBytes(GOLDEN), Files.readAllBytes(copy));
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void everyDtypeComesBackInEveryShape(DType dtype) {
        Path file = directory.resolve("file.safetensors");
        try (TensorScope scope = TensorScope.open()) {
            Tensor odd = Tensors.of(new long[] {0, 1, 1}, 3).to(dtype);
            List<Entry> entries = List.of(
                    Entry.of("a", odd),
                    Entry.of("scalar", Tensors.ones(DType.FLOAT32, Device.CPU).to(dtype)),
                    Entry.of("empty", Tensors.zeros(dtype, Device.CPU, 0, 4)),
                    Entry.of(
                            "transposed",
                            Tensors.of(new long[] {0, 1, 1, 0, 1, 0}, 2, 3)
                                    .to(dtype)
                                    .t()));
            SafetensorsWriter.write(file, entries, Map.of());
            try (SafetensorsFile read = SafetensorsFile.open(file)) {
                assertEquals(4, read.names().size());
                for (Entry entry : entries) {
                    Tensor tensor = read.tensor(entry.name());
                    assertEquals(dtype, tensor.dtype());
                    assertArrayEquals(entry.shape(), tensor.shape());
                    assertArrayEquals(
                            entry.tensor().get().to(DType.FLOAT64).contiguous().toDoubleArray(),
                            tensor.to(DType.FLOAT64).toDoubleArray());
                }
            }
        }
    }

    @Test
    void aTensorOutlivesItsFile() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor tensor;
            try (SafetensorsFile file = SafetensorsFile.open(GOLDEN)) {
                tensor = file.tensor("model.norm.weight");
            }
            assertTrue(tensor.isFinite());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 5, 8, 300, 50_000})
    void aTruncatedFileIsRefusedInOneLineThatNamesIt(int length) throws IOException {
        Path file = directory.resolve("model.safetensors");
        Files.write(file, Arrays.copyOf(Files.readAllBytes(GOLDEN), length));
        assertRefused(file, "model.safetensors");
    }

    @Test
    void afterTheLastTensorThereMustBeNothing() throws IOException {
        Path file = directory.resolve("model.safetensors");
        byte[] golden = Files.readAllBytes(GOLDEN);
        Files.write(file, Arrays.copyOf(golden, golden.length + 4));
        assertRefused(file, "the file has");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[]",
                "{\"a\"",
                "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,4]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}"
            })
    void anImpossibleHeaderIsRefused(String json) throws IOException {
        byte[] header = json.getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + header.length + 4).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(header.length).put(header);
        Path file = directory.resolve("bad.safetensors");
        Files.write(file, bytes.array());
        assertRefused(file, "bad.safetensors");
    }

    @Test
    void anUnknownNameIsToldWithTheNearestOne() {
        try (SafetensorsFile file = SafetensorsFile.open(GOLDEN)) {
            UserErrorException e = assertThrows(UserErrorException.class, () -> file.tensor("model.norm.wieght"));
            assertTrue(e.getMessage().contains("model.norm.weight"), e.getMessage());
        }
    }

    @Test
    void shardsAreReadAsOneAndOldOnesDisappear() throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(GOLDEN);
                TensorScope scope = TensorScope.open()) {
            List<Entry> entries = file.names().stream()
                    .map(name -> Entry.of(name, file.tensor(name)))
                    .toList();
            CheckpointWriter.write(directory, entries, 50_000);
            assertTrue(Files.exists(directory.resolve("model.safetensors.index.json")));
            try (CheckpointReader reader = CheckpointReader.open(directory)) {
                assertEquals(file.names().size(), reader.names().size());
                for (String name : file.names()) {
                    assertArrayEquals(
                            file.tensor(name).toFloatArray(),
                            reader.tensor(name).toFloatArray());
                }
            }
            CheckpointWriter.write(directory, entries, CheckpointWriter.DEFAULT_MAX_SHARD_BYTES);
            try (Stream<Path> left = Files.list(directory)) {
                assertEquals(List.of(directory.resolve("model.safetensors")), left.toList());
            }
        }
    }

    @Test
    void aMissingShardIsNamed() throws IOException {
        Files.writeString(
                directory.resolve("model.safetensors.index.json"),
                "{\"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\"}}");
        UserErrorException e = assertThrows(UserErrorException.class, () -> CheckpointReader.open(directory));
        assertTrue(e.getMessage().contains("model-00001-of-00002.safetensors"), e.getMessage());
    }

    @Test
    void pickledWeightsAreRefusedWithTheRemedy() throws IOException {
        Files.write(directory.resolve("pytorch_model.bin"), new byte[] {1});
        UserErrorException e = assertThrows(UserErrorException.class, () -> CheckpointReader.open(directory));
        assertTrue(e.getMessage().contains("safetensors"), e.getMessage());
    }

    @Test
    void whenTheDiskIsFullTheOldFileStays() throws IOException {
        Path file = directory.resolve("model.safetensors");
        try (TensorScope scope = TensorScope.open()) {
            SafetensorsWriter.write(file, List.of(Entry.of("a", Tensors.ones(DType.FLOAT32, Device.CPU, 2))), Map.of());
            byte[] before = Files.readAllBytes(file);
            Entry failing = new Entry("b", DType.FLOAT32, new long[] {2}, () -> {
                throw new UncheckedIOException(new IOException("No space left on device"));
            });
            UserErrorException e = assertThrows(
                    UserErrorException.class, () -> SafetensorsWriter.write(file, List.of(failing), Map.of()));
            assertTrue(e.getMessage().contains("No space left"), e.getMessage());
            assertArrayEquals(before, Files.readAllBytes(file));
            try (Stream<Path> left = Files.list(directory)) {
                assertEquals(1, left.count());
            }
        }
    }

    private static void assertRefused(Path file, String expected) {
        UserErrorException e = assertThrows(UserErrorException.class, () -> SafetensorsFile.open(file));
        assertTrue(e.getMessage().contains(expected), e.getMessage());
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
    }
}
