package org.finetune4j.dist.zero;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.zero.RanksTraining.Outcome;
import org.finetune4j.tensor.SmallDisk;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.arguments.OffloadOptions;
import org.finetune4j.train.offload.MappedBytes;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What a rank has of states and weights lies in files that have no name, of which little is in memory at one time; the training is
 * the same to the last bit.
 */
class OffloadTest {

    @TempDir
    Path directory;

    private final List<MappedBytes> seen = Collections.synchronizedList(new ArrayList<>());

    private RanksTraining training(String model, String method, String optimizer) {
        return new RanksTraining(model, method)
                .with(arguments -> arguments.maxSteps(3).optimizer(optimizer))
                .afterSteps(() -> seen.add(MappedBytes.below(directory)));
    }

    private RanksTraining offloaded(RanksTraining training, boolean states, boolean weights) {
        return training.with(arguments ->
                arguments.offload(new OffloadOptions(states ? directory : null, weights ? directory : null, 0)));
    }

    /** Nothing is left but what the models still have, which is without a name. */
    private void requireNoNames() {
        try (Stream<Path> left = Files.list(directory)) {
            assertEquals(List.of(), left.toList());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @ParameterizedTest(name = "{0} {1} {2} on {3} ranks at stage {4}, states {5}, weights {6}")
    @CsvSource({
        "llama, full, adamw, 1, 0, true, true",
        "llama, full, adamw, 1, 0, true, false",
        "llama, full, lion, 1, 0, false, true",
        "gpt2, full, muon, 1, 0, true, true",
        "llama-tied, full, adafactor, 1, 0, true, true",
        "llama, lora, adamw_8bit, 1, 0, true, true",
        "mixtral, qlora, adamw, 1, 0, true, true",
        "llama, full, adamw, 2, 0, true, true",
        "llama, full, adamw, 2, 1, true, true",
        "llama, full, muon, 2, 1, true, true",
        "mixtral, full, adamw, 3, 2, true, true",
        "llama, full, adamw, 2, 3, true, true",
        "llama-tied, full, sgd, 4, 3, false, true",
        "gpt2, lora, adamw, 2, 3, true, true",
        "llama, qlora, adamw, 2, 2, true, true",
        "llama, qlora, adamw, 2, 3, true, true"
    })
    void isTheSameTrainingToTheLastBit(
            String model, String method, String optimizer, int ranks, int stage, boolean states, boolean weights) {
        List<Outcome> expected = on(training(model, method, optimizer), ranks, stage);
        seen.clear();
        List<Outcome> actual = on(offloaded(training(model, method, optimizer), states, weights), ranks, stage);
        for (int rank = 0; rank < ranks; rank++) {
            same(expected.get(rank), actual.get(rank));
        }
        long trained = expected.get(0).weights().values().stream()
                .mapToLong(values -> (long) Float.BYTES * values.length)
                .sum();
        // Norms and biases are smaller than a page, and four ranks' parts of a matrix may be.
        assertTrue(seen.get(2).bytes() > trained / 4, seen + " of " + trained);
        requireNoNames();
    }

    private static List<Outcome> on(RanksTraining training, int ranks, int stage) {
        return ranks == 1 ? List.of(training.alone()) : training.on(ranks, stage);
    }

    /** Masters are states. */
    @Test
    void bfloat16HasItsMastersInFiles() {
        long states = inFiles(new RanksTraining("llama", "full").inBfloat16(), true, false);
        long weights = inFiles(new RanksTraining("llama", "full").inBfloat16(), false, true);
        // Two moments and a master of 4 bytes each beside 2.
        assertEquals(6, states / (double) weights, 1);
    }

    private long inFiles(RanksTraining training, boolean states, boolean weights) {
        seen.clear();
        RanksTraining watched = offloaded(training, states, weights)
                .with(arguments -> arguments.maxSteps(2))
                .afterSteps(() -> seen.add(MappedBytes.below(directory)));
        Outcome offloaded = watched.alone();
        same(
                new RanksTraining("llama", "full")
                        .inBfloat16()
                        .with(arguments -> arguments.maxSteps(2))
                        .alone(),
                offloaded);
        return seen.get(1).bytes();
    }

    @Test
    void ranksHaveTheirPartsInFiles() {
        on(offloaded(training("llama", "full", "adamw"), true, true), 1, 0);
        long alone = seen.get(1).bytes();
        seen.clear();
        on(offloaded(training("llama", "full", "adamw"), true, true), 2, 3);
        // Files have whole pages; after the last step another rank may have closed its own.
        assertEquals(alone, seen.get(1).bytes(), 0.1 * alone, "both ranks together, in one process");
        seen.clear();
        on(offloaded(training("llama", "full", "adamw"), true, true), 2, 0);
        assertEquals(2.0 * alone, seen.get(1).bytes(), 0.1 * alone);
    }

    /** It has room for the states of one rank, which is what is looked for before. */
    @Test
    void aDiskWithoutRoomIsOneLineAndLeavesNothing() throws IOException {
        long states = 8
                * training("llama", "full", "adamw").alone().weights().values().stream()
                        .mapToLong(values -> values.length)
                        .sum();
        Optional<SmallDisk> mounted = SmallDisk.mount(Files.createDirectory(directory.resolve("disk")), 3 * states / 2);
        assumeTrue(mounted.isPresent(), "this test may not mount a disk");
        try (SmallDisk disk = mounted.orElseThrow()) {
            RanksTraining training = training("llama", "full", "adamw")
                    .with(arguments -> arguments.offload(OffloadOptions.to(disk.root(), null)));
            String message = assertThrows(UserErrorException.class, () -> training.on(2, 0))
                    .getMessage();
            assertTrue(message.contains("No space left on device"), message);
            assertTrue(message.contains(disk.root().toString()) && !message.contains("\n"), message);
            try (Stream<Path> left = Files.list(disk.root())) {
                assertEquals(List.of(), left.toList());
            }
        }
    }

    @Test
    void statesThatAreInFilesAnywayAreRefused() {
        RanksTraining training = offloaded(training("llama", "full", "paged_adamw_32bit"), true, false);
        String message = assertThrows(UserErrorException.class, training::alone).getMessage();
        assertTrue(message.contains("optim paged_adamw_32bit") && message.contains("offload_optimizer"), message);
        requireNoNames();
    }

    private static void same(Outcome expected, Outcome actual) {
        assertEquals(losses(expected), losses(actual));
        assertEquals(expected.weights().keySet(), actual.weights().keySet());
        expected.weights()
                .forEach((name, values) ->
                        assertArrayEquals(values, actual.weights().get(name), name));
    }

    private static List<String> losses(Outcome outcome) {
        return outcome.steps().stream()
                .map((StepMetrics step) -> step.loss() + " " + step.gradientNorm())
                .toList();
    }
}
