package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Residency;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.memory.MemoryPlan;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Updates within the backward pass give the weights and states of updates after it, bit for bit. */
class OptimizerInBackwardTest {

    private static final String[] STATE = {"model.safetensors", "training_state.safetensors"};

    @TempDir
    Path directory;

    private static TrainingArgumentsBuilder arguments() {
        return TrainingArguments.builder()
                .batchSize(2)
                .maxSteps(10)
                .learningRate(1e-2)
                .weightDecay(0.01)
                .maxGradNorm(0)
                .saveSteps(10);
    }

    @ParameterizedTest(name = "{0}, {1}, {2}, every {3} layers again, formulas {4}")
    @CsvSource({
        "llama, adamw, FLOAT32, 0, true",
        "llama-of-8-layers, adamw, FLOAT32, 3, true",
        "qwen2, adafactor, FLOAT32, 0, false",
        "gpt2, muon, FLOAT32, 0, true",
        "gemma2, schedule_free_adamw, FLOAT32, 1, true",
        "qwen3, adamw, BFLOAT16, 0, true"
    })
    void tenStepsGiveTheSameBytesAndNorms(
            String model, String optimizer, DType dtype, int everyLayers, boolean formulas) throws IOException {
        TrainingArgumentsBuilder shared = arguments()
                .optimizer(optimizer)
                .gradientCheckpointingLayers(everyLayers)
                .fusedLayers(formulas);
        LoadOptions options = LoadOptions.defaults().withDType(dtype);
        Path after = directory.resolve("after");
        Path within = directory.resolve("within");
        List<Double> expected = run(model, options, shared.outputDirectory(after), 99);
        List<Double> norms = run(model, options, shared.outputDirectory(within).optimizerInBackward(true), 99);
        assertEquals(expected, norms);
        assertSameState(after, within);
    }

    @Test
    void aRunThatWasStoppedGoesOnExactly() throws IOException {
        Path straight = directory.resolve("straight");
        Path stopped = directory.resolve("stopped");
        TrainingArgumentsBuilder shared = arguments().optimizerInBackward(true);
        LoadOptions options = LoadOptions.defaults();
        run("llama", options, shared.outputDirectory(straight), 99);
        run("llama", options, shared.outputDirectory(stopped), 4);
        run("llama", options, shared.resume(true), 99);
        assertSameState(straight, stopped);
    }

    /** Seen from outside of the update: a segment's gradients, and the table that the output layer shares, are all there is. */
    @Test
    void gradientsOfOneSegmentExistAtATime() {
        long[] most = {0};
        try (CausalLM model = TinyModels.load("llama-of-8-layers", LoadOptions.defaults());
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            List<Parameter> trained = List.copyOf(full.trainableParameters());
            TrainingArgumentsBuilder shared = arguments().maxSteps(1).optimizerInBackward(true);
            MemoryPlan planned = MemoryPlan.of(model, full, shared.build(), new MemoryPlan.Load(2, 16), 0);
            Residency counting = new Residency() {
                @Override
                public void beforeBackward(Module segment) {
                    long bytes = segment.allParameters().stream()
                            .filter(trained::contains)
                            .mapToLong(Parameter::bytes)
                            .sum();
                    long there = trained.stream()
                            .filter(parameter -> parameter.grad() != null
                                    && !segment.allParameters().contains(parameter))
                            .mapToLong(Parameter::bytes)
                            .sum();
                    most[0] = Math.max(most[0], bytes + there);
                }
            };
            try (CausalLM.Residence residence = model.with(List.of(counting))) {
                new Trainer(
                                model,
                                full,
                                shared.build(),
                                new SyntheticSamples(2, 199, 1),
                                null,
                                new Collator(0, 1),
                                List.of())
                        .train();
            }
            assertEquals(planned.gradients(), most[0]);
            assertTrue(most[0] < trained.stream().mapToLong(Parameter::bytes).sum() / 2);
        }
    }

    /** The head's gradient is no number, so that nothing moves, and the state before the step is saved. */
    @Test
    void nothingFollowsAGradientThatIsNoNumber() {
        try (CausalLM model = TinyModels.load("llama", LoadOptions.defaults());
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Parameter first =
                    model.network().layers().get(0).allParameters().iterator().next();
            Trainer[] trainer = new Trainer[1];
            float[][] before = new float[1][];
            TrainingListener breaking = new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    model.network().outputLayer().weight().set(infinite(model));
                    before[0] = first.value().toFloatArray();
                }
            };
            trainer[0] = new Trainer(
                    model,
                    full,
                    arguments().optimizerInBackward(true).build(),
                    new SyntheticSamples(4, 199, 1),
                    null,
                    new Collator(0, 1),
                    List.of(breaking));
            assertThrows(DivergedException.class, trainer[0]::train);
            assertArrayEquals(before[0], first.value().toFloatArray());
        }
    }

    private static Tensor infinite(CausalLM model) {
        return Tensors.full(
                1e38,
                DType.FLOAT32,
                model.device(),
                model.network().outputLayer().weight().shape());
    }

    @Test
    void whatNeedsAllGradientsIsRefusedByName() {
        Map<String, TrainingArgumentsBuilder> refused = Map.of(
                "max_grad_norm: 0 (it is 1.0)", arguments().maxGradNorm(1),
                "gradient_accumulation_steps", arguments().gradientAccumulationSteps(2),
                "statistics_steps", arguments().statisticsSteps(5));
        refused.forEach((reason, builder) -> {
            UserErrorException e = assertThrows(UserErrorException.class, () -> builder.optimizerInBackward(true)
                    .build());
            assertTrue(e.getMessage().startsWith("optimizer_in_backward"), e.getMessage());
            assertTrue(e.getMessage().contains(reason), e.getMessage());
        });
    }

    private static List<Double> run(
            String name, LoadOptions options, TrainingArgumentsBuilder arguments, long stopAfter) {
        List<Double> norms = new ArrayList<>();
        try (CausalLM model = TinyModels.load(name, options);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Trainer[] trainer = new Trainer[1];
            trainer[0] = new Trainer(
                    model,
                    full,
                    arguments.build(),
                    new SyntheticSamples(13, 199, 1),
                    null,
                    new Collator(0, 1),
                    List.of(new TrainingListener() {
                        @Override
                        public void onStep(StepMetrics metrics) {
                            norms.add(metrics.gradientNorm());
                            if (metrics.step() == stopAfter) {
                                trainer[0].requestStop();
                            }
                        }
                    }));
            trainer[0].train();
        }
        return norms;
    }

    private static void assertSameState(Path expected, Path actual) throws IOException {
        for (String file : STATE) {
            assertArrayEquals(
                    Files.readAllBytes(expected.resolve("checkpoint-10").resolve(file)),
                    Files.readAllBytes(actual.resolve("checkpoint-10").resolve(file)),
                    file);
        }
    }
}
