package org.finetune4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.finetune4j.Json;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.TensorScope;

/** What two runs of one configuration wrote, compared: files, events of the log, weights. */
final class RanksComparison {

    private static final Duration PATIENCE = Duration.ofSeconds(Long.getLong("finetune4j.patience", 120));
    /** What tells of time, of places, or of ranks; and which of two rewards is larger, which at first are equal but for rounding. */
    private static final Set<String> OTHERWISE = Set.of(
            "rewards/accuracies",
            "tokens_per_second",
            "elapsed_seconds",
            "model",
            "teacher_logits",
            "run_name",
            "directory",
            "planned_megabytes",
            "measured_megabytes");

    private static final Pattern NUMBER = Pattern.compile("\\d+(\\.\\d+)?([eE][-+]?\\d+)?");

    private final double tolerance;
    private double largest;
    private String where = "";

    private RanksComparison(double tolerance) {
        this.tolerance = tolerance;
    }

    /** How far two runs are from each other, and the first place where that is more than allowed. */
    record Difference(double largest, String where) {}

    /** Runs a command within a time: whoever takes longer hangs. */
    static CommandRun run(List<String> command) {
        CompletableFuture<CommandRun> run = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                run.complete(CommandRun.of(command.toArray(String[]::new)));
            } catch (Throwable e) {
                run.completeExceptionally(e);
            }
        });
        thread.setDaemon(true);
        thread.start();
        try {
            return run.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            StringBuilder stacks = new StringBuilder();
            Thread.getAllStackTraces().forEach((waiting, trace) -> {
                stacks.append(waiting.getName()).append('\n');
                for (StackTraceElement frame : trace) {
                    stacks.append("    ").append(frame).append('\n');
                }
            });
            throw new HangException("it hangs after " + PATIENCE + "\n" + stacks);
        } catch (ExecutionException e) {
            throw new AssertionError("it threw: " + e.getCause(), e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** A command that never came to its end: no other one can be tried after it. */
    static final class HangException extends RuntimeException {
        private static final long serialVersionUID = 1;

        HangException(String message) {
            super(message);
        }
    }

    /**
     * Compares two output directories.
     *
     * @param tolerance of numbers, relative to them, or absolute below 1 where they are no loss and no norm
     * @return the largest difference, relative, with its place; names of files and texts that differ are endless
     */
    static Difference compare(Path expected, Path found, double tolerance) {
        RanksComparison comparison = new RanksComparison(tolerance);
        try {
            comparison.compareAll(expected, found);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Difference(comparison.largest, comparison.where);
    }

    /**
     * Compares losses and norms of gradients of every step, and the losses of evaluations.
     *
     * @param tolerance relative to the numbers
     */
    static Difference compareSteps(Path expected, Path found, double tolerance) {
        RanksComparison comparison = new RanksComparison(tolerance);
        try {
            List<JsonNode> left = steps(expected);
            List<JsonNode> right = steps(found);
            comparison.same(left.size(), right.size(), "steps");
            for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
                for (String key : List.of("loss", "grad_norm")) {
                    JsonNode number = left.get(i).path(key);
                    comparison.value(number, right.get(i).path(key), "event " + i + ", " + key);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Difference(comparison.largest, comparison.where);
    }

    private static List<JsonNode> steps(Path output) throws IOException {
        return events(output).stream().filter(event -> event.has("loss")).toList();
    }

    private void compareAll(Path expected, Path found) throws IOException {
        Set<String> names = names(expected);
        same(names, names(found), "files");
        if (largest > 0) {
            return;
        }
        events(expected, found);
        for (String name : names) {
            Path one = expected.resolve(name);
            Path other = found.resolve(name);
            if (name.endsWith("model.safetensors")) {
                weights(one, other, name);
            } else if (name.endsWith("completions.jsonl")) {
                answers(one, other, name);
            } else if (name.endsWith("config.json")) {
                // The base of an adapter that was made on the model with moved weights has another name.
                same(Files.readString(one), Files.readString(other).replace("/moved\"", "/model\""), name);
            }
        }
    }

    private void differ(double by, String place) {
        if (!(by <= largest)) {
            largest = Double.isNaN(by) ? Double.POSITIVE_INFINITY : by;
            if (!(by <= tolerance)) {
                where = place + " (" + by + ")" + (where.isEmpty() ? "" : "; " + where);
            }
        }
    }

    private void same(Object expected, Object found, String place) {
        if (!expected.equals(found)) {
            differ(Double.POSITIVE_INFINITY, place + ": expected " + expected + ", found " + found);
        }
    }

    private void number(double expected, double found, double scale, String place) {
        if (Double.compare(expected, found) != 0) {
            differ(Math.abs(expected - found) / scale, place + ": expected " + expected + ", found " + found);
        }
    }

    /** Ranks' logs and parts of states come on top. */
    private static Set<String> names(Path output) throws IOException {
        try (Stream<Path> paths = Files.walk(output)) {
            Set<String> names = new TreeSet<>();
            paths.filter(Files::isRegularFile)
                    .map(path -> output.relativize(path).toString())
                    .filter(name -> !name.startsWith("logs/") && !name.matches(".*-of-\\d+\\.safetensors"))
                    .forEach(names::add);
            return names;
        }
    }

    private void events(Path expected, Path found) throws IOException {
        List<JsonNode> left = events(expected);
        List<JsonNode> right = events(found);
        same(kinds(left), kinds(right), "events");
        for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
            JsonNode event = left.get(i);
            value(
                    event,
                    right.get(i),
                    event.path("event").asText() + " of step "
                            + event.path("step").asText());
        }
    }

    /** Texts are the same, what they earned is a number. */
    private void answers(Path expected, Path found, String name) throws IOException {
        List<String> left = Files.readAllLines(expected);
        List<String> right = Files.readAllLines(found);
        same(left.size(), right.size(), name);
        for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
            value(Json.parse(left.get(i), expected), Json.parse(right.get(i), found), name + " " + (i + 1));
        }
    }

    private static List<String> kinds(List<JsonNode> events) {
        return events.stream().map(event -> event.path("event").asText()).toList();
    }

    private static List<JsonNode> events(Path output) throws IOException {
        Path metrics = output.resolve("metrics.jsonl");
        List<JsonNode> events = new ArrayList<>();
        for (String line : Files.readAllLines(metrics)) {
            JsonNode event = Json.parse(line, metrics);
            if (!event.path("event").asText().equals("memory")) {
                events.add(event);
            }
        }
        return events;
    }

    private void value(JsonNode expected, JsonNode found, String place) {
        if (expected.isObject() && found.isObject()) {
            for (Iterator<Map.Entry<String, JsonNode>> keys = expected.fields(); keys.hasNext(); ) {
                Map.Entry<String, JsonNode> key = keys.next();
                if (!OTHERWISE.contains(key.getKey())) {
                    value(key.getValue(), found.path(key.getKey()), place + ", " + key.getKey());
                }
            }
        } else if (expected.isArray() && found.isArray() && expected.size() == found.size()) {
            for (int i = 0; i < expected.size(); i++) {
                value(expected.get(i), found.get(i), place + "[" + i + "]");
            }
        } else if (expected.isNumber() && found.isNumber()) {
            double number = expected.asDouble();
            number(number, found.asDouble(), Math.max(least(place), Math.abs(number)), place);
        } else if (expected.isTextual() && found.isTextual()) {
            text(expected.asText(), found.asText(), place);
        } else {
            same(expected, found, place);
        }
    }

    /** A text may tell a number, such as the best loss: how far that is away is known then. */
    private void text(String expected, String found, String place) {
        List<String> left =
                NUMBER.matcher(expected).results().map(MatchResult::group).toList();
        List<String> right =
                NUMBER.matcher(found).results().map(MatchResult::group).toList();
        if (left.size() != right.size()
                || !NUMBER.matcher(expected)
                        .replaceAll("0")
                        .equals(NUMBER.matcher(found).replaceAll("0"))) {
            same(expected, found, place);
            return;
        }
        for (int i = 0; i < left.size(); i++) {
            double number = Double.parseDouble(left.get(i));
            number(number, Double.parseDouble(right.get(i)), Math.max(1, Math.abs(number)), place);
        }
    }

    /** What differences are divided by at least: a loss, or a gradient, that is zero is a sum of numbers that were rounded. */
    private static double least(String place) {
        return place.endsWith(" loss") ? 1e-2 : place.endsWith(" grad_norm") ? 1e-3 : 1;
    }

    private void weights(Path expected, Path found, String name) {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile left = SafetensorsFile.open(expected);
                SafetensorsFile right = SafetensorsFile.open(found)) {
            same(left.names(), right.names(), name);
            if (Double.isInfinite(largest)) {
                return;
            }
            for (String tensor : left.names()) {
                float[] one = left.tensor(tensor).toFloatArray();
                float[] other = right.tensor(tensor).toFloatArray();
                same(one.length, other.length, name + ", " + tensor);
                double scale = 1e-2;
                for (float value : one) {
                    scale = Math.max(scale, Math.abs(value));
                }
                double far = 0;
                for (int i = 0; i < Math.min(one.length, other.length); i++) {
                    far = Math.max(far, Math.abs(one[i] - other[i]));
                }
                number(0, far, scale, name + ", " + tensor);
            }
        }
    }
}
