package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.BadRecordPolicy;
import org.finetune4j.data.CharacterSamples;
import org.finetune4j.data.Collator;
import org.finetune4j.data.LengthGrouped;
import org.finetune4j.data.PackedDataset;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.examples.LoadedExamples;
import org.finetune4j.data.mixture.Mixture;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that was ended at any place and resumed ends with the same bytes as one that was not. */
@Tag("slow")
class ResumeTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/arch");
    private static final String[] STATE = {"model.safetensors", "training_state.safetensors", "trainer_state.json"};

    @TempDir
    Path directory;

    private static TrainingArgumentsBuilder arguments() {
        return TrainingArguments.builder()
                .batchSize(2)
                .gradientAccumulationSteps(3)
                .maxSteps(8)
                .learningRate(5e-3)
                .saveSteps(2);
    }

    @Test
    void aStopInTheMiddleOfAnAccumulationGoesBackToTheLastStep() throws IOException {
        Path straight = directory.resolve("straight");
        Path stopped = directory.resolve("stopped");
        train(arguments().outputDirectory(straight).build(), new SyntheticSamples(17, 199, 1));
        StoppingSamples samples = new StoppingSamples(new SyntheticSamples(17, 199, 1));
        // The model is asked to stop while it runs through the batches of a later step.
        TrainingSummary first = train(arguments().outputDirectory(stopped).build(), samples);
        assertTrue(first.interrupted());
        TrainingSummary second =
                train(arguments().outputDirectory(stopped).resume(true).build(), new SyntheticSamples(17, 199, 1));
        assertEquals(8, second.steps());
        assertSameState(straight, stopped, 8);
    }

    @Test
    void dropoutsRandomStateIsRestored() throws IOException {
        Path model = withDropout(GOLDENS.resolve("gpt2"), directory.resolve("gpt2"));
        Path straight = directory.resolve("straight");
        Path stopped = directory.resolve("stopped");
        Path plain = directory.resolve("plain");
        SyntheticSamples samples = new SyntheticSamples(9, 199, 1);
        TrainingArgumentsBuilder shared = arguments().gradientCheckpointingLayers(1);
        run(model, shared.outputDirectory(straight).build(), samples, Long.MAX_VALUE);
        run(model, shared.outputDirectory(stopped).build(), samples, 3);
        run(model, shared.resume(true).build(), samples, Long.MAX_VALUE);
        assertSameState(straight, stopped, 8);
        run(GOLDENS.resolve("gpt2"), shared.resume(false).outputDirectory(plain).build(), samples, Long.MAX_VALUE);
        assertFalse(
                Arrays.equals(
                        Files.readAllBytes(straight.resolve("checkpoint-8/model.safetensors")),
                        Files.readAllBytes(plain.resolve("checkpoint-8/model.safetensors"))),
                "dropout was on");
    }

    @Test
    void noiseAndAveragesResumeExactly() throws IOException {
        Path straight = directory.resolve("straight");
        Path stopped = directory.resolve("stopped");
        SyntheticSamples samples = new SyntheticSamples(9, 199, 1);
        TrainingArgumentsBuilder shared = arguments().neftuneNoiseAlpha(5).emaDecay(0.9);
        run(GOLDENS.resolve("llama"), shared.outputDirectory(straight).build(), samples, Long.MAX_VALUE);
        run(GOLDENS.resolve("llama"), shared.outputDirectory(stopped).build(), samples, 3);
        run(GOLDENS.resolve("llama"), shared.resume(true).build(), samples, Long.MAX_VALUE);
        assertSameState(straight, stopped, 8);
    }

    @Test
    void anOptimizerThatAveragesResumesExactly() throws IOException {
        Path straight = directory.resolve("straight");
        Path stopped = directory.resolve("stopped");
        SyntheticSamples samples = new SyntheticSamples(9, 199, 1);
        TrainingArgumentsBuilder shared = arguments().optimizer("schedule_free_adamw");
        run(GOLDENS.resolve("llama"), shared.outputDirectory(straight).build(), samples, Long.MAX_VALUE);
        run(GOLDENS.resolve("llama"), shared.outputDirectory(stopped).build(), samples, 3);
        run(GOLDENS.resolve("llama"), shared.resume(true).build(), samples, Long.MAX_VALUE);
        assertSameState(straight, stopped, 8);
    }

    @Test
    void recordsThatAreStreamedFromFilesResumeInTheMiddleOfAnEpochAndOfAnAccumulation() throws IOException {
        writeRecords(directory.resolve("a.jsonl"), 23, "\n{broken\n");
        writeRecords(directory.resolve("b.jsonl"), 14, "");
        Path straight = directory.resolve("straight");
        Path stopped = directory.resolve("stopped");
        TrainingArgumentsBuilder shared = arguments().maxSteps(11).dataloaderNumWorkers(2);
        run(GOLDENS.resolve("llama"), shared.outputDirectory(straight).build(), streamed(), Long.MAX_VALUE);
        // Step 5 of batches of 2 x 3 is in the middle of the first epoch of 37 samples, step 9 in that of the second.
        run(GOLDENS.resolve("llama"), shared.outputDirectory(stopped).build(), streamed(), 5);
        run(GOLDENS.resolve("llama"), shared.resume(true).build(), streamed(), 9);
        StoppingSamples midway = new StoppingSamples(streamed());
        midway.arm();
        TrainingSummary nothing = train(shared.build(), midway);
        assertTrue(nothing.interrupted());
        run(GOLDENS.resolve("llama"), shared.dataloaderNumWorkers(1).build(), streamed(), Long.MAX_VALUE);
        assertSameState(straight, stopped, 11);
    }

    @Test
    void rowsThatArePackedAndBatchesOfLikeLengthsResumeToo() throws IOException {
        writeRecords(directory.resolve("a.jsonl"), 23, "");
        writeRecords(directory.resolve("b.jsonl"), 14, "");
        for (TrainingDataset samples : List.of(PackedDataset.of(streamed(), 64), LengthGrouped.of(streamed()))) {
            String kind = samples.getClass().getSimpleName();
            Path straight = directory.resolve(kind);
            Path stopped = directory.resolve(kind + "-stopped");
            TrainingArgumentsBuilder shared = arguments().maxSteps(5).gradientAccumulationSteps(2);
            run(GOLDENS.resolve("llama"), shared.outputDirectory(straight).build(), samples, Long.MAX_VALUE);
            run(GOLDENS.resolve("llama"), shared.outputDirectory(stopped).build(), samples, 3);
            run(GOLDENS.resolve("llama"), shared.resume(true).build(), samples, Long.MAX_VALUE);
            assertSameState(straight, stopped, 5);
        }
    }

    private static void writeRecords(Path file, int count, String between) throws IOException {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < count; i++) {
            lines.append("{\"prompt\": \"%s\", \"completion\": \"%s %d\"}\n"
                    .formatted(file.getFileName(), "x".repeat(i % 5), i));
            lines.append(i == 7 ? between : "");
        }
        Files.writeString(file, lines.toString());
    }

    /** The files, opened anew: what is broken is left out, and two datasets become one by their weights. */
    private TrainingDataset streamed() {
        List<Mixture.Part> parts = Stream.of("a.jsonl", "b.jsonl")
                .map(name -> new Mixture.Part(
                        LoadedExamples.open(
                                DatasetSpec.of(directory.resolve(name).toString())
                                        .onBadRecord(BadRecordPolicy.SKIP)
                                        .build()),
                        null))
                .toList();
        return new CharacterSamples(Mixture.of(parts, 1, 42), 199, 40);
    }

    @Test
    void aKilledProcessResumesToTheSameBytes() throws IOException, InterruptedException {
        Path straight = directory.resolve("straight");
        Path killed = directory.resolve("killed");
        Process whole = ChildTraining.start(straight, false);
        assertTrue(whole.waitFor(120, TimeUnit.SECONDS));
        assertEquals(0, whole.exitValue());
        Process child = ChildTraining.start(killed, true);
        while (child.isAlive() && latest(killed) < 4) {
            Thread.sleep(5);
        }
        child.destroyForcibly().waitFor();
        assertTrue(latest(killed) < ChildTraining.STEPS, "it was killed before its end");
        Process resumed = ChildTraining.start(killed, false);
        assertTrue(resumed.waitFor(120, TimeUnit.SECONDS));
        assertEquals(0, resumed.exitValue());
        assertSameState(straight, killed, ChildTraining.STEPS);
    }

    @Test
    void aFullDiskLeavesTheOldCheckpointAndNothingElse() throws IOException {
        Path output = directory.resolve("out");
        UserErrorException e = assertThrows(UserErrorException.class, () -> {
            try (CausalLM model = CausalLM.load(GOLDENS.resolve("llama"));
                    AttachedStrategy full = new FillingDisk(new FullFineTuning().attach(model), 2)) {
                new Trainer(
                                model,
                                full,
                                arguments().outputDirectory(output).build(),
                                new SyntheticSamples(9, 199, 1),
                                null,
                                new Collator(0, 1),
                                List.of())
                        .train();
            }
        });
        assertTrue(e.getMessage().contains("No space left"), e.getMessage());
        try (Stream<Path> files = Files.list(output)) {
            assertEquals(
                    List.of("checkpoint-2"),
                    files.map(path -> path.getFileName().toString()).toList());
        }
        run(
                GOLDENS.resolve("llama"),
                arguments().outputDirectory(output).resume(true).build(),
                new SyntheticSamples(9, 199, 1),
                Long.MAX_VALUE);
        assertFalse(Files.exists(output.resolve("checkpoint-2")));
    }

    /** Runs out of room at the given save, after it wrote a part. */
    private record FillingDisk(AttachedStrategy strategy, int[] saves, int failing) implements AttachedStrategy {

        FillingDisk(AttachedStrategy strategy, int failing) {
            this(strategy, new int[1], failing);
        }

        @Override
        public java.util.Collection<Parameter> trainableParameters() {
            return strategy.trainableParameters();
        }

        @Override
        public void save(Path target) {
            if (++saves[0] == failing) {
                AtomicFiles.write(target.resolve("model.safetensors"), partial -> {
                    Files.write(partial, new byte[1000]);
                    throw new IOException("No space left on device");
                });
            }
            strategy.save(target);
        }

        @Override
        public void restore(Path source) {
            strategy.restore(source);
        }

        @Override
        public void close() {
            strategy.close();
        }
    }

    private static long latest(Path output) throws IOException {
        if (!Files.isDirectory(output)) {
            return 0;
        }
        try (Stream<Path> files = Files.list(output)) {
            return files.map(path -> path.getFileName().toString())
                    .filter(name -> name.matches("checkpoint-\\d+"))
                    .mapToLong(name -> Long.parseLong(name.substring("checkpoint-".length())))
                    .max()
                    .orElse(0);
        }
    }

    private static void assertSameState(Path expected, Path actual, long step) throws IOException {
        for (String file : STATE) {
            assertArrayEquals(
                    Files.readAllBytes(expected.resolve("checkpoint-" + step).resolve(file)),
                    Files.readAllBytes(actual.resolve("checkpoint-" + step).resolve(file)),
                    file);
        }
    }

    private static Path withDropout(Path source, Path target) throws IOException {
        Files.createDirectories(target);
        Files.copy(source.resolve("model.safetensors"), target.resolve("model.safetensors"));
        ObjectNode config = (ObjectNode) TestJson.read(source.resolve("config.json"));
        config.put("resid_pdrop", 0.2).put("embd_pdrop", 0.1).put("attn_pdrop", 0.1);
        Files.write(target.resolve("config.json"), Json.bytes(config));
        return target;
    }

    private static TrainingSummary train(TrainingArguments arguments, TrainingDataset samples) {
        try (CausalLM model = CausalLM.load(GOLDENS.resolve("llama"));
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Trainer trainer = new Trainer(
                    model, full, arguments, samples, null, new Collator(0, 1), List.of(new TrainingListener() {
                        @Override
                        public void onStep(StepMetrics metrics) {
                            if (samples instanceof StoppingSamples stopping && metrics.step() == 4) {
                                stopping.arm();
                            }
                        }
                    }));
            if (samples instanceof StoppingSamples stopping) {
                stopping.trainer = trainer;
            }
            return trainer.train();
        }
    }

    private static void run(Path modelDirectory, TrainingArguments arguments, TrainingDataset samples, long stopAfter) {
        try (CausalLM model = CausalLM.load(modelDirectory);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Trainer[] trainer = new Trainer[1];
            trainer[0] = new Trainer(
                    model, full, arguments, samples, null, new Collator(0, 1), List.of(new TrainingListener() {
                        @Override
                        public void onStep(StepMetrics metrics) {
                            if (metrics.step() == stopAfter) {
                                trainer[0].requestStop();
                            }
                        }
                    }));
            trainer[0].train();
        }
    }

    /** Asks for a stop when a sample is read after it was armed: while the next step is under way. */
    private static final class StoppingSamples implements TrainingDataset {

        private final TrainingDataset samples;
        private volatile boolean armed;
        private volatile Trainer trainer;

        StoppingSamples(TrainingDataset samples) {
            this.samples = samples;
        }

        void arm() {
            armed = true;
        }

        @Override
        public int size() {
            return samples.size();
        }

        @Override
        public Sample get(int index) {
            if (armed) {
                trainer.requestStop();
            }
            return samples.get(index);
        }
    }
}
