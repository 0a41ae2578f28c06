package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.GoldenModels;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.health.ExpertLoad;
import org.finetune4j.train.report.HtmlReportListener;
import org.finetune4j.train.report.MetricsLog;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A training of a mixture of experts tells where tokens went, and warns of a router that sends all of them to one expert. */
class ExpertLoadTest {

    @TempDir
    Path directory;

    private final List<ExpertLoad> loads = new ArrayList<>();
    private final List<StepMetrics> steps = new ArrayList<>();
    private final List<String> warnings = new ArrayList<>();

    /** Mixtral with the balance of its experts in the loss; below zero, what is uneven is rewarded. */
    private CausalLM mixtral(double coefficient) throws IOException {
        Path source = GoldenModels.directory("mixtral");
        Path model = Files.createDirectories(directory.resolve("model"));
        Files.writeString(
                model.resolve("config.json"),
                Files.readString(source.resolve("config.json"))
                        .replace("\"output_router_logits\": false", "\"output_router_logits\": true")
                        .replace("\"router_aux_loss_coef\": 0.02", "\"router_aux_loss_coef\": " + coefficient));
        Files.write(model.resolve("model.safetensors"), Files.readAllBytes(source.resolve("model.safetensors")));
        return CausalLM.load(model);
    }

    private void train(CausalLM model, int maxSteps, int checkpointEvery) {
        TrainingListener listener = new TrainingListener() {
            @Override
            public void onExpertLoad(ExpertLoad load) {
                loads.add(load);
            }

            @Override
            public void onStep(StepMetrics metrics) {
                steps.add(metrics);
            }

            @Override
            public void onWarning(String message) {
                if (message.contains("expert")) {
                    warnings.add(message);
                }
            }
        };
        FineTuner.of(model)
                .dataset(new SyntheticSamples(16, 199, 3))
                .arguments(TrainingArguments.builder()
                        .batchSize(8)
                        .maxSteps(maxSteps)
                        .learningRate(2e-2)
                        .gradientCheckpointingLayers(checkpointEvery)
                        .build())
                .messages(line -> {})
                .listener(listener)
                .listener(new HtmlReportListener(directory.resolve("report.html")))
                .train()
                .close();
    }

    @ParameterizedTest
    @CsvSource({"0, 0.02", "1, 0.02"})
    void everyTokenIsCountedOnceForEachExpertItGoesTo(int checkpointEvery, double coefficient) throws IOException {
        try (CausalLM model = mixtral(coefficient)) {
            train(model, 3, checkpointEvery);
        }
        assertEquals(1, loads.size());
        ExpertLoad load = loads.get(0);
        assertEquals(3, load.step());
        assertEquals(2, load.layers().size());
        long tokens = steps.stream().mapToLong(StepMetrics::tokens).sum();
        for (ExpertLoad.Layer layer : load.layers()) {
            assertEquals(tokens, layer.tokens());
            assertEquals(4, layer.shares().size());
            assertEquals(2, layer.shares().stream().mapToDouble(share -> share).sum(), 1e-9, "two experts a token");
            assertEquals(0.5, layer.even(), 1e-9);
            assertTrue(layer.shares().stream().allMatch(share -> share <= 1), layer::toString);
        }
        assertTrue(steps.get(0).metrics().get("experts/busiest") >= 0.5, steps::toString);
        assertEquals(List.of(), warnings);
        assertEquals(load, MetricsLog.read(directory.resolve("metrics.jsonl")).expertLoad());
    }

    @Test
    void aRouterThatIsPushedToCollapseIsNamedOnceWithLayerAndExpert() throws IOException {
        try (CausalLM model = mixtral(-50)) {
            train(model, 60, 0);
        }
        assertEquals(1, warnings.size(), () -> loads.toString());
        String warning = warnings.get(0);
        ExpertLoad.Layer layer = loads.get(0).layers().stream()
                .filter(one -> warning.contains("layer " + one.number() + ": expert " + one.busiest()))
                .findFirst()
                .orElseThrow(() -> new AssertionError(warning + " but " + loads));
        assertTrue(layer.shares().get(layer.busiest()) > 0.7, layer::toString);
        assertTrue(
                warning.matches("step \\d+: layer \\d: expert \\d gets .* of the tokens, 50.0 % would be even, .*"),
                warning);
        assertEquals(1, warning.lines().count());
    }

    @Test
    void theBalanceOfExpertsKeepsThemApartFromCollapse() throws IOException {
        try (CausalLM model = mixtral(1)) {
            train(model, 40, 0);
        }
        assertEquals(List.of(), warnings);
        assertTrue(
                loads.get(0).layers().stream().allMatch(layer -> layer.shares().get(layer.busiest()) < 0.9),
                () -> loads.toString());
    }

    @Test
    void theReportShowsTheShareOfEveryExpert() throws IOException {
        try (CausalLM model = mixtral(0.02)) {
            train(model, 2, 0);
        }
        String report = Files.readString(directory.resolve("report.html"));
        assertTrue(report.contains("Expert load, percent of tokens") && report.contains("expert 3"));
    }

    @Test
    void aModelWithoutExpertsTellsNothing() {
        try (CausalLM model = CausalLM.load(GoldenModels.directory("llama"))) {
            train(model, 1, 0);
        }
        assertEquals(List.of(), loads);
        assertFalse(steps.get(0).metrics().containsKey("experts/busiest"));
    }
}
