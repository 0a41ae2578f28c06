package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.finetune4j.ChildJvm;
import org.finetune4j.Json;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** {@code finetune serve} as a process: one line when it is ready, and what signals do to it. */
@Tag("slow")
@Timeout(180)
class ServeCommandTest {

    @TempDir
    private Path directory;

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final List<Process> processes = new ArrayList<>();

    @AfterEach
    void kill() {
        processes.forEach(Process::destroyForcibly);
    }

    private record Served(Process process, URI address, Path out) {}

    private Served start(String name) throws IOException, InterruptedException {
        Path out = directory.resolve(name + ".out");
        Process process = new ProcessBuilder(ChildJvm.command(
                        List.of("-Xmx256m"),
                        Main.class,
                        "serve",
                        "--model",
                        new TrainingFiles(directory).model.toString(),
                        "--port",
                        "0"))
                .redirectOutput(out.toFile())
                .redirectError(directory.resolve(name + ".err").toFile())
                .start();
        processes.add(process);
        while (process.isAlive() && !Files.readString(out).contains("\n")) {
            Thread.sleep(20);
        }
        String line = Files.readString(out);
        assertTrue(line.startsWith("ready: http://127.0.0.1:"), line);
        return new Served(process, URI.create(line.strip().substring("ready: ".length())), out);
    }

    private CompletableFuture<HttpResponse<String>> ask(Served served, int tokens) {
        String body = Json.write(Json.object()
                .put("prompt", "the")
                .put("max_tokens", tokens)
                .put("n", 8)
                .put("ignore_eos", true));
        return http.sendAsync(
                HttpRequest.newBuilder(served.address.resolve("/v1/completions"))
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aTerminatedServerFinishesWhatItAnswersAndAKilledOneStartsAgain() throws IOException, InterruptedException {
        Served first = start("first");
        assertEquals(200, ask(first, 2).join().statusCode());
        first.process.destroyForcibly();
        assertTrue(first.process.waitFor(60, TimeUnit.SECONDS));

        Served second = start("second");
        CompletableFuture<HttpResponse<String>> running = ask(second, 100);
        while (!metrics(second).contains("finetune_rows_running 8.0")) {
            Thread.sleep(5);
        }
        second.process.destroy();
        HttpResponse<String> answer = running.join();
        assertEquals(200, answer.statusCode(), answer.body());
        assertEquals(8, Json.parse(answer.body(), "answer").path("choices").size());
        assertTrue(second.process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(1, Files.readAllLines(second.out).size());
    }

    private String metrics(Served served) throws IOException, InterruptedException {
        return http.send(
                        HttpRequest.newBuilder(served.address.resolve("/metrics"))
                                .build(),
                        HttpResponse.BodyHandlers.ofString())
                .body();
    }

    @Test
    void whatCannotBeServedIsSaidInOneLine() {
        String model = new TrainingFiles(directory).model.toString();
        for (List<String> wrong : List.of(
                List.of("--adapters", directory.resolve("nowhere").toString()),
                List.of("--runs", directory.resolve("nowhere").toString()),
                List.of("--api-keys", directory.resolve("nowhere").toString()),
                List.of("--port", "70000"),
                List.of("--max-rows", "0"),
                List.of("--host", "198.51.100.7"))) {
            List<String> command = new ArrayList<>(List.of("serve", "--model", model, "--port", "0"));
            command.removeIf(word -> wrong.get(0).equals("--port") && (word.equals("--port") || word.equals("0")));
            command.addAll(wrong);
            CommandRun run = CommandRun.of(command.toArray(String[]::new));
            CommandRun.assertRefused(run);
        }
    }

    /** The recipes are read by others' programs: their form, and that what they name is there. */
    @Test
    void recipesHaveTheFormOfWhatReadsThem() throws IOException {
        Path recipes = Path.of("..", "recipes", "serve");
        List<JsonNode> documents = new ArrayList<>();
        new ObjectMapper(new YAMLFactory())
                .readerFor(JsonNode.class)
                .<JsonNode>readValues(recipes.resolve("deployment.yaml").toFile())
                .forEachRemaining(documents::add);
        assertEquals("Deployment", documents.get(0).path("kind").asText());
        JsonNode pod = documents.get(0).path("spec").path("template").path("spec");
        JsonNode container = pod.path("containers").path(0);
        assertEquals(
                "/health/live",
                container.path("livenessProbe").path("httpGet").path("path").asText());
        assertEquals(
                "/health/ready",
                container.path("readinessProbe").path("httpGet").path("path").asText());
        assertEquals("Service", documents.get(1).path("kind").asText());
        assertEquals(
                documents.get(0).path("spec").path("selector").path("matchLabels"),
                documents.get(1).path("spec").path("selector"));
        List<String> unit = Files.readAllLines(recipes.resolve("finetune-serve.service"));
        assertTrue(unit.containsAll(List.of("[Unit]", "[Service]", "[Install]")), unit.toString());
        assertTrue(unit.stream().allMatch(line -> line.matches("|#.*|\\[\\w+\\]|\\w+=.+")), unit.toString());
        String docker = Files.readString(recipes.resolve("Dockerfile"));
        assertTrue(docker.contains("org.finetune4j.cli.Main") && docker.contains("FROM ") && docker.contains("USER "));
        List<String> options = new ArrayList<>();
        container.path("args").forEach(argument -> options.add(argument.asText()));
        unit.stream()
                .filter(line -> line.startsWith("ExecStart="))
                .forEach(line -> options.addAll(List.of(line.split(" "))));
        String help = String.join("\n", CommandRun.of("serve", "--help").out());
        options.stream()
                .filter(word -> word.startsWith("--"))
                .forEach(option -> assertTrue(help.contains(option), option));
    }
}
