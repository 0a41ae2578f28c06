package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.CheckpointManifest.Piece;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The table of contents of a checkpoint, and checkpoints that several processes wrote. */
class CheckpointManifestTest {

    @TempDir
    Path directory;

    /** Of a run that was stopped in its middle. */
    private Path checkpoint() {
        new TinyRun(directory).steps(4).stopAfter(2).train();
        return CheckpointName.of(directory, 2);
    }

    @Test
    void everyTensorIsThereWithShapeAndOffset() {
        Path checkpoint = checkpoint();
        CheckpointManifest manifest = CheckpointManifest.read(checkpoint);
        assertEquals(2, manifest.step());
        assertEquals(1, manifest.worldSize());
        try (SafetensorsFile weights = SafetensorsFile.open(checkpoint.resolve("model.safetensors"));
                SafetensorsFile state = SafetensorsFile.open(checkpoint.resolve("training_state.safetensors"))) {
            for (SafetensorsFile file : List.of(weights, state)) {
                for (String name : file.names()) {
                    CheckpointManifest.Entry entry = manifest.tensors().get(name);
                    assertArrayEquals(file.info(name).shape(), entry.shape(), name);
                    assertEquals(1, entry.pieces().size());
                    assertArrayEquals(
                            new long[entry.shape().length],
                            entry.pieces().get(0).offset());
                }
            }
            assertEquals(
                    weights.names().size() + state.names().size(),
                    manifest.tensors().size());
        }
    }

    @Test
    void whatTwoProcessesWroteIsResumedFromByOne() throws IOException {
        TinyRun whole = new TinyRun(directory.resolve("whole"));
        whole.steps(4).train();
        Path checkpoint = checkpoint();
        shard(checkpoint);
        assertEquals(2, CheckpointManifest.read(checkpoint).worldSize());
        new TinyRun(directory).steps(4).resume().train();
        for (String file : List.of("model.safetensors", "training_state.safetensors")) {
            assertArrayEquals(
                    Files.readAllBytes(directory.resolve("whole/checkpoint-4").resolve(file)),
                    Files.readAllBytes(directory.resolve("checkpoint-4").resolve(file)),
                    file);
        }
    }

    /** Cuts the optimizer's matrices into two, upper rows in one file and lower rows in another. */
    private static void shard(Path checkpoint) throws IOException {
        Path state = checkpoint.resolve("training_state.safetensors");
        CheckpointManifest manifest = CheckpointManifest.read(checkpoint);
        Map<String, CheckpointManifest.Entry> tensors = new TreeMap<>(manifest.tensors());
        List<Entry> upper = new ArrayList<>();
        List<Entry> lower = new ArrayList<>();
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile file = SafetensorsFile.open(state)) {
            for (String name : file.names()) {
                Tensor tensor = file.tensor(name).copy();
                long[] shape = tensor.shape();
                if (shape.length < 2) {
                    upper.add(Entry.of(name, tensor));
                    continue;
                }
                long half = shape[0] / 2;
                Tensor first = tensor.narrow(0, 0, half).contiguous();
                Tensor second = tensor.narrow(0, half, shape[0] - half).contiguous();
                upper.add(Entry.of(name, first));
                lower.add(Entry.of(name, second));
                tensors.put(
                        name,
                        new CheckpointManifest.Entry(
                                tensor.dtype().safetensorsName(),
                                shape,
                                List.of(
                                        new Piece("rank-1.safetensors", new long[] {half, 0}, second.shape()),
                                        new Piece(
                                                state.getFileName().toString(),
                                                new long[shape.length],
                                                first.shape()))));
            }
            assertTrue(lower.size() > 4);
            SafetensorsWriter.write(checkpoint.resolve("rank-1.safetensors"), lower, Map.of());
            SafetensorsWriter.write(state, upper, Map.of());
        }
        Map<String, Long> files = new TreeMap<>(manifest.files());
        for (String name : List.of("rank-1.safetensors", "training_state.safetensors")) {
            files.put(name, Files.size(checkpoint.resolve(name)));
        }
        new CheckpointManifest(2, 2, files, tensors).write(checkpoint);
    }

    private record Change(String expected, Consumer<ObjectNode> change) {}

    private static Stream<Change> changes() {
        return Stream.of(
                new Change("version 99 of the checkpoint format is unknown", json -> json.put("version", 99)),
                new Change("version \"1\" of the checkpoint format", json -> json.put("version", "1")),
                new Change("version  of the checkpoint format", json -> json.remove("version")),
                new Change("'format' is 'other'", json -> json.put("format", "other")),
                new Change("'step' is -1", json -> json.put("step", -1)),
                new Change("is no path inside of the checkpoint", json -> ((ObjectNode) json.path("files"))
                        .put("../../etc/passwd", 10)),
                new Change("missing.safetensors is missing", json -> ((ObjectNode) json.path("files"))
                        .put("missing.safetensors", 10)),
                new Change("model.safetensors has ", json -> ((ObjectNode) json.path("files"))
                        .put("model.safetensors", 10)),
                new Change("do not make its shape", json -> ((ObjectNode) json.at("/tensors/model.norm.weight"))
                        .putArray("shape")
                        .add(1L << 62)
                        .add(1L << 62)),
                new Change(
                        "do not make its shape",
                        json -> ((ObjectNode) json.at("/tensors/model.norm.weight/pieces/0")).put("file", "elsewhere")),
                new Change(
                        "do not make its shape", json -> ((ObjectNode) json.at("/tensors/model.norm.weight/pieces/0"))
                                .putArray("offset")
                                .add(Long.MAX_VALUE)),
                new Change("no tensor 'random_state'", json -> ((ObjectNode) json.path("tensors"))
                        .remove("random_state")));
    }

    @ParameterizedTest
    @MethodSource("changes")
    void aManifestThatIsWrongIsRefusedInOneLine(Change change) throws IOException {
        Path checkpoint = checkpoint();
        Path file = checkpoint.resolve("checkpoint.json");
        ObjectNode json = InputFiles.jsonObject(file);
        change.change().accept(json);
        Files.writeString(file, Json.write(json));
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> new TinyRun(directory).steps(4).resume().train());
        assertTrue(e.getMessage().contains(change.expected()), e.getMessage());
        assertTrue(e.getMessage().startsWith(checkpoint.toString()), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "global_step             | -1",
                "global_step             | 99999999999999999999",
                "global_step             | \"2\"",
                "global_step             | 2.5",
                "steps                   | {\"epoch\": 0, \"next_batch\": 1000}",
                "steps                   | {\"epoch\": 1e99, \"next_batch\": 1}",
                "steps                   | {\"epoch\": 4294967296, \"next_batch\": 1}",
                "steps                   | {\"epoch\": 0}",
                "steps                   | 7",
                "last_loss               | \"NaN\"",
                "best_eval_loss          | []",
                "best                    | {\"metric\": \"loss\"}",
                "evaluations_since_best  | null",
                "fingerprint             | 7",
            })
    void aStateThatNoRunLeavesIsRefusedInOneLine(String key, String value) throws IOException {
        Path checkpoint = checkpoint();
        Path file = checkpoint.resolve("trainer_state.json");
        ObjectNode json = InputFiles.jsonObject(file);
        json.set(key, Json.parse(value, "value"));
        writeState(checkpoint, json);
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> new TinyRun(directory).steps(4).resume().train());
        assertTrue(e.getMessage().startsWith(checkpoint.toString()), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    @Test
    void aStateOfTheFirstVersionsWhichKeptThePlaceInTheDataBesideTheRestGoesOn() throws IOException {
        Path straight = directory.resolve("straight");
        new TinyRun(straight).steps(4).train();
        Path checkpoint = checkpoint();
        ObjectNode json = InputFiles.jsonObject(checkpoint.resolve("trainer_state.json"));
        json.setAll((ObjectNode) json.remove("steps"));
        assertTrue(json.path("next_batch").intValue() > 0, json::toString);
        writeState(checkpoint, json);
        new TinyRun(directory).steps(4).resume().train();
        for (String file : List.of("model.safetensors", "training_state.safetensors", "trainer_state.json")) {
            assertArrayEquals(
                    Files.readAllBytes(straight.resolve("checkpoint-4").resolve(file)),
                    Files.readAllBytes(directory.resolve("checkpoint-4").resolve(file)),
                    file);
        }
    }

    private static void writeState(Path checkpoint, ObjectNode json) throws IOException {
        String text = Json.write(json);
        Files.writeString(checkpoint.resolve("trainer_state.json"), text);
        Path manifest = checkpoint.resolve("checkpoint.json");
        ObjectNode table = InputFiles.jsonObject(manifest);
        ((ObjectNode) table.path("files")).put("trainer_state.json", text.length());
        Files.writeString(manifest, Json.write(table));
    }
}
