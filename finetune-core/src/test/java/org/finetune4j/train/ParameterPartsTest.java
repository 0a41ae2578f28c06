package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.nn.InMemoryRanks;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ShardGatherer;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.CheckpointManifest.Piece;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints of models that several processes hold together. */
class ParameterPartsTest {

    @TempDir
    Path directory;

    private static CausalLM load() {
        return TinyModels.load("llama", LoadOptions.defaults());
    }

    /** Norms stay whole in every process, as small parameters may. */
    private static void shard(CausalLM model, ShardGatherer gatherer) {
        model.network().allParameters().stream()
                .filter(parameter -> parameter.shape().length > 1)
                .forEach(parameter -> parameter.shard(gatherer));
    }

    private static Map<String, float[]> values(CausalLM model) {
        Map<String, float[]> values = new LinkedHashMap<>();
        try (TensorScope scope = TensorScope.open()) {
            model.network()
                    .namedParameters()
                    .forEach((name, parameter) -> values.put(
                            name, parameter.as(parameter.dtype()).contiguous().toFloatArray()));
        }
        return values;
    }

    private Map<String, float[]> written() {
        List<Map<String, float[]>> values = new InMemoryRanks(2).run(gatherer -> {
            try (CausalLM model = load()) {
                shard(model, gatherer);
                Map<String, Parameter> parameters = model.network().namedParameters();
                ParameterParts.write(directory, gatherer.rank(), gatherer.ranks(), parameters);
                return values(model);
            }
        });
        return values.get(0);
    }

    private void writeManifest() {
        try {
            CheckpointManifest.ofDirectory(directory, 7).write(directory);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void theManifestSaysWhereEveryPartBelongs() throws IOException {
        Map<String, float[]> whole = written();
        writeManifest();
        CheckpointManifest manifest = CheckpointManifest.read(directory);
        assertEquals(2, manifest.worldSize());
        assertEquals(whole.keySet(), manifest.tensors().keySet());
        try (CausalLM model = load()) {
            model.network().namedParameters().forEach((name, parameter) -> {
                CheckpointManifest.Entry entry = manifest.tensors().get(name);
                assertArrayEquals(parameter.shape(), entry.shape(), name);
                long half = (parameter.numel() + 1) / 2;
                if (parameter.shape().length > 1) {
                    assertTrue(entry.isFlat(), name);
                    assertEquals(2, entry.pieces().size(), name);
                    for (Piece piece : entry.pieces()) {
                        boolean first = piece.file().startsWith("parameters-0-of-2");
                        assertArrayEquals(new long[] {first ? 0 : half}, piece.offset(), name);
                        assertArrayEquals(new long[] {first ? half : parameter.numel() - half}, piece.shape(), name);
                    }
                } else {
                    assertEquals(
                            "parameters-0-of-2.safetensors",
                            entry.pieces().get(0).file());
                    assertEquals(1, entry.pieces().size(), name);
                }
            });
        }
        long first = Files.size(directory.resolve("parameters-0-of-2.safetensors"));
        long second = Files.size(directory.resolve("parameters-1-of-2.safetensors"));
        assertEquals(1.0, (double) first / second, 0.05);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5})
    void anyNumberOfProcessesReadsIt(int ranks) {
        Map<String, float[]> expected = written();
        writeManifest();
        List<Map<String, float[]>> found = new InMemoryRanks(ranks).run(gatherer -> {
            try (CausalLM model = load();
                    TensorScope scope = TensorScope.open()) {
                // What is read has to come from the files.
                model.network()
                        .allParameters()
                        .forEach(
                                parameter -> parameter.replace(parameter.value().mul(0)));
                if (ranks > 1) {
                    shard(model, gatherer);
                }
                ParameterParts.read(directory, model.network().namedParameters());
                return values(model);
            }
        });
        for (Map<String, float[]> values : found) {
            assertEquals(expected.keySet(), values.keySet());
            expected.forEach((name, value) -> assertArrayEquals(value, values.get(name), name));
        }
    }

    @Test
    void withoutThePartsOfOneProcessThereIsNoCheckpoint() throws IOException {
        written();
        Files.delete(directory.resolve("parameters-1-of-2.safetensors"));
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> CheckpointManifest.ofDirectory(directory, 7));
        assertTrue(e.getMessage().contains("do not make its shape"), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    @Test
    void partsOfAnotherModelAreNoneOfThisOne() throws IOException {
        written();
        new InMemoryRanks(2).run(gatherer -> {
            if (gatherer.rank() == 1) {
                try (CausalLM model = load();
                        TensorScope scope = TensorScope.open()) {
                    model.network().allParameters().forEach(parameter -> {
                        if (parameter.shape().length > 1) {
                            parameter.replace(parameter
                                    .value()
                                    .narrow(0, 0, parameter.size(0) - 1)
                                    .contiguous());
                        }
                    });
                    shard(model, gatherer);
                    ParameterParts.write(directory, 1, 2, model.network().namedParameters());
                }
            }
            return true;
        });
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> CheckpointManifest.ofDirectory(directory, 7));
        assertTrue(e.getMessage().contains("other files have it as"), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    @Test
    void aFileSaysWhatItHoldsItself() {
        written();
        try (SafetensorsFile file = SafetensorsFile.open(directory.resolve("parameters-1-of-2.safetensors"))) {
            ParameterParts parts = ParameterParts.of(file);
            assertEquals(2, parts.ranks());
            assertEquals(List.copyOf(file.names()).size(), parts.places().size());
        }
    }

    @Test
    void aShapeThatIsNoListIsRefusedByItsParameter() throws IOException {
        Path path = directory.resolve("parameters-1-of-2.safetensors");
        String parts = "{\"ranks\": 2, \"places\": {\"norm.weight\": {\"shape\": \"4\", \"offset\": 0}}}";
        SafetensorsWriter.write(path, List.of(), Map.of("finetune4j_parts", parts));
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertEquals(
                    "finetune4j_parts: places.norm.weight.shape must be a list of lengths",
                    assertThrows(UserErrorException.class, () -> ParameterParts.of(file))
                            .getMessage());
        }
    }
}
