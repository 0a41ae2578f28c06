package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.TestJson;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Soups, merges and deltas of what trainings of the embedded model wrote. */
@Tag("slow")
class SoupCommandTest {

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void prepare() {
        files = new TrainingFiles(directory);
    }

    @Test
    void theGreedySoupOfAdaptersIsNotWorseThanItsBestIngredient() throws IOException {
        // The last one learns nothing, so that it only waters the soup down.
        List<String> adapters = List.of(train("a", "8e-3"), train("b", "1e-2", "seed=5"), train("c", "1e-9"));
        JsonNode greedy = soup(adapters, "--model", files.model.toString());
        assertTrue(greedy.path("soup").asDouble() <= greedy.path("best_alone").asDouble(), greedy::toString);
        assertEquals(false, greedy.path("candidates").get(2).path("in_soup").asBoolean(), greedy.toString());
        assertEquals(greedy.path("soup").asDouble(), loss(files.model, directory.resolve("soup")), 1e-6);
        JsonNode uniform = soup(adapters, "--model", files.model.toString(), "--recipe", "uniform");
        assertEquals(3, uniform.path("ingredients").asInt());
        assertTrue(uniform.path("soup").asDouble() > greedy.path("soup").asDouble(), uniform::toString);
    }

    @Test
    void modelsAreCookedMergedAndTakenApartAsWell() throws IOException {
        TrainingFiles.edit(files.config, "method: lora\nr: 4\ntarget_modules: [q_proj, v_proj]\n", "method: full\n");
        List<String> models = List.of(train("a", "5e-4"), train("b", "5e-4", "seed=5"));
        JsonNode greedy = soup(models);
        assertTrue(greedy.path("soup").asDouble() <= greedy.path("best_alone").asDouble(), greedy::toString);

        Path merged = directory.resolve("merged");
        List<String> args = new ArrayList<>(List.of("merge", "--method", "ties", "--density", "0.3", "--models"));
        args.addAll(models);
        args.addAll(List.of("--base", files.model.toString(), "--output", merged.toString()));
        assertEquals(0, CommandRun.of(args.toArray(String[]::new)).exitCode());
        assertTrue(loss(merged, null) < loss(files.model, null));

        Path delta = directory.resolve("delta.safetensors");
        assertEquals(
                0,
                CommandRun.of(
                                "delta",
                                "diff",
                                "--base",
                                files.model.toString(),
                                "--model",
                                models.get(0),
                                "--energy",
                                "0.999",
                                "--output",
                                delta.toString())
                        .exitCode());
        Path applied = directory.resolve("applied");
        apply(delta, files.model, applied, 0);
        assertEquals(loss(Path.of(models.get(0)), null), loss(applied, null), 0.05);
        CommandRun refused = apply(delta, merged, directory.resolve("other"), 2);
        assertTrue(refused.errors().get(0).contains("another base"), refused::toString);
    }

    @Test
    void adaptersBecomeOneAdapter() throws IOException {
        List<String> adapters = List.of(train("a", "1e-3"), train("b", "2e-3"));
        for (String method : List.of("linear", "cat", "svd", "ties", "dare_linear", "magnitude_prune_svd")) {
            Path merged = directory.resolve(method);
            CommandRun run = CommandRun.of(
                    "merge",
                    "--adapters",
                    adapters.get(0),
                    adapters.get(1),
                    "--method",
                    method,
                    "--output",
                    merged.toString());
            assertEquals(0, run.exitCode(), run.toString());
            assertTrue(loss(files.model, merged) > 0, method);
        }
    }

    @Test
    void mistakesAreToldInOneLine() {
        String one = train("a", "1e-3");
        String soup = "soup";
        String data = files.data.toString();
        String out = directory.resolve("soup").toString();
        refused("two candidates", soup, "--candidates", one, "--data", data, "--output", out);
        refused("--model", soup, "--candidates", one, one, "--data", data, "--output", out);
        refused(
                "neither an adapter nor a model",
                soup,
                "--candidates",
                one,
                directory.toString(),
                "--data",
                data,
                "--output",
                out);
        refused("nothing to merge", "merge", "--output", out);
        refused("'ties'", "merge", "--adapters", one, one, "--method", "tyes", "--output", out);
        refused("one weight", "merge", "--adapters", one, one, "--weights", "1,2,3", "--output", out);
        refused(
                "one of --rank",
                "delta",
                "diff",
                "--base",
                one,
                "--model",
                one,
                "--rank",
                "1",
                "--energy",
                "0.5",
                "--output",
                out);
    }

    private static void refused(String expected, String... args) {
        CommandRun run = CommandRun.of(args);
        assertEquals(2, run.exitCode(), run.toString());
        assertEquals(1, run.errors().size(), run.toString());
        assertTrue(run.errors().get(0).contains(expected), run.errors().get(0));
    }

    private String train(String name, String learningRate, String... more) {
        Path out = directory.resolve(name);
        List<String> overrides =
                new ArrayList<>(List.of("output_dir=" + out, "learning_rate=" + learningRate, "max_steps=6"));
        overrides.addAll(List.of(more));
        CommandRun run = files.train(overrides.toArray(String[]::new));
        assertEquals(0, run.exitCode(), run.toString());
        return out.toString();
    }

    private JsonNode soup(List<String> candidates, String... more) throws IOException {
        List<String> args = new ArrayList<>(List.of("soup", "--json", "--output"));
        args.add(directory.resolve("soup").toString());
        args.addAll(heldOut());
        args.addAll(List.of(more));
        args.add("--candidates");
        args.addAll(candidates);
        return json(args);
    }

    private double loss(Path model, @Nullable Path adapter) throws IOException {
        List<String> args = new ArrayList<>(List.of("eval", "--json", "--model", model.toString()));
        args.addAll(heldOut());
        if (adapter != null) {
            args.addAll(List.of("--adapter", adapter.toString()));
        }
        return json(args).path("loss").asDouble();
    }

    private List<String> heldOut() {
        return List.of("--data", files.data.toString(), "--prompt-template", "Q: {instruction}\nA:\n");
    }

    private static JsonNode json(List<String> args) throws IOException {
        CommandRun run = CommandRun.of(args.toArray(String[]::new));
        assertEquals(0, run.exitCode(), run.toString());
        return TestJson.parse(run.out().get(0));
    }

    private CommandRun apply(Path delta, Path base, Path output, int exitCode) {
        CommandRun run = CommandRun.of(
                "delta",
                "apply",
                "--base",
                base.toString(),
                "--delta",
                delta.toString(),
                "--output",
                output.toString());
        assertEquals(exitCode, run.exitCode(), run.toString());
        return run;
    }
}
