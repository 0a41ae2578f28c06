package org.finetune4j.train.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.EndReason;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.MemoryComparison;
import org.finetune4j.train.SampleComparison;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.TrainingSummary;
import org.finetune4j.train.health.ExpertLoad;
import org.finetune4j.train.objective.ScoreTable;
import org.jspecify.annotations.Nullable;

/** One line of a {@link MetricsLog}: a listener's event as a JSON object, and back. */
final class MetricsEvent {

    private static final double NANOS = 1e9;

    /** Stands for the exception of an earlier process, of which only the text is known. */
    private static final class LoggedFailure extends RuntimeException {
        private static final long serialVersionUID = 1L;

        LoggedFailure(String text) {
            super(text, null, false, false);
        }

        @Override
        @SuppressWarnings("OverrideThrowableToString") // the text has the name of the class that was logged
        public String toString() {
            return String.valueOf(getMessage());
        }
    }

    private final ObjectNode json;

    private MetricsEvent(ObjectNode json) {
        this.json = json;
    }

    private static MetricsEvent of(String event, long step) {
        return new MetricsEvent(Json.object().put("event", event).put("step", step));
    }

    static MetricsEvent start(TrainingPlan plan) {
        MetricsEvent event = of("start", plan.startStep());
        event.json.put("run_name", plan.runName());
        event.json.put("total_steps", plan.totalSteps());
        event.number("total_epochs", plan.totalEpochs());
        event.json.put("trainable_parameters", plan.trainableParameters());
        event.json.put("total_parameters", plan.totalParameters());
        event.json.set("configuration", Json.of(plain(plan.configuration())));
        return event;
    }

    static MetricsEvent warning(long step, String message) {
        MetricsEvent event = of("warning", step);
        event.json.put("message", message);
        return event;
    }

    static MetricsEvent step(StepMetrics metrics) {
        MetricsEvent event = of("step", metrics.step());
        event.json.put("total_steps", metrics.totalSteps());
        event.number("epoch", metrics.epoch());
        event.number("loss", metrics.loss());
        event.number("learning_rate", metrics.learningRate());
        event.number("grad_norm", metrics.gradientNorm());
        event.json.put("tokens", metrics.tokens());
        event.json.put("labelled_tokens", metrics.labelledTokens());
        event.number("tokens_per_second", metrics.tokensPerSecond());
        event.seconds("elapsed_seconds", metrics.elapsed());
        event.numbers("metrics", metrics.metrics());
        return event;
    }

    static MetricsEvent evaluation(EvaluationMetrics metrics) {
        MetricsEvent event = of("evaluation", metrics.step());
        event.number("loss", metrics.loss());
        if (metrics.isOfLanguage()) {
            event.number("perplexity", metrics.perplexity());
        }
        event.json.put("labelled_tokens", metrics.labelledTokens());
        event.optionalNumber("exact_match", metrics.exactMatch());
        event.numbers("scores", metrics.scores());
        for (ScoreTable table : metrics.tables()) {
            ObjectNode written = event.json.withArray("tables").addObject().put("title", table.title());
            table.columns().forEach(written.putArray("columns")::add);
            ArrayNode rows = written.putArray("rows");
            table.rows().forEach(row -> row.forEach(rows.addArray()::add));
        }
        return event;
    }

    static MetricsEvent expertLoad(ExpertLoad load) {
        MetricsEvent event = of("expert_load", load.step());
        ArrayNode layers = event.json.putArray("layers");
        for (ExpertLoad.Layer layer : load.layers()) {
            ObjectNode written = layers.addObject().put("layer", layer.number()).put("tokens", layer.tokens());
            layer.shares().forEach(written.putArray("shares")::add);
        }
        return event;
    }

    static MetricsEvent memory(MemoryComparison comparison) {
        MetricsEvent event = of("memory", comparison.step());
        event.json.put("planned_megabytes", comparison.plannedMegabytes());
        event.json.put("measured_megabytes", comparison.measuredMegabytes());
        return event;
    }

    static MetricsEvent checkpoint(Path directory, long step) {
        MetricsEvent event = of("checkpoint", step);
        event.json.put("directory", directory.toString());
        return event;
    }

    static MetricsEvent samples(long step, List<SampleComparison> samples) {
        MetricsEvent event = of("samples", step);
        ArrayNode array = event.json.putArray("samples");
        for (SampleComparison sample : samples) {
            array.addObject()
                    .put("prompt", sample.prompt())
                    .put("expected", sample.expected())
                    .put("before", sample.before())
                    .put("after", sample.after());
        }
        return event;
    }

    static MetricsEvent end(TrainingSummary summary) {
        MetricsEvent event = of("end", summary.steps());
        event.optionalNumber("final_loss", summary.finalLoss());
        event.optionalNumber("best_evaluation_loss", summary.bestEvaluationLoss());
        event.seconds("elapsed_seconds", summary.elapsed());
        event.number("tokens_per_second", summary.tokensPerSecond());
        event.json.put("reason", summary.reason().key());
        event.json.put("explanation", summary.explanation());
        return event;
    }

    static MetricsEvent failure(long step, Throwable failure) {
        MetricsEvent event = of("failure", step);
        event.json.put("failure", failure.toString());
        return event;
    }

    /** @throws IllegalArgumentException when the line is no JSON object with an event and a step */
    static MetricsEvent parse(String line) {
        try {
            JsonNode node = Json.parse(line, "event");
            if (node instanceof ObjectNode object
                    && object.has("event")
                    && object.path("step").isIntegralNumber()) {
                return new MetricsEvent(object);
            }
            throw new IllegalArgumentException("expected an object with event and step");
        } catch (UserErrorException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }

    String toJson() {
        return Json.write(json);
    }

    /** Whether it says that a run came to its end in good order, not to be resumed. */
    boolean isFinalEnd() {
        return json.path("event").asText().equals("end")
                && EndReason.ofKey(json.path("reason").asText()) != EndReason.INTERRUPTED;
    }

    /** Optimizer steps done when it happened. */
    long step() {
        return json.path("step").longValue();
    }

    /** Calls the method of {@code listener} that this event stands for; events of unknown kinds are left out. */
    void tell(TrainingListener listener) {
        switch (json.path("event").asText()) {
            case "start" -> listener.onStart(toPlan());
            case "warning" -> listener.onWarning(json.path("message").asText());
            case "step" -> listener.onStep(toStepMetrics());
            case "evaluation" ->
                listener.onEvaluation(new EvaluationMetrics(
                        step(),
                        number("loss"),
                        json.path("labelled_tokens").longValue(),
                        optionalNumber("exact_match"),
                        numbers("scores"),
                        tables()));
            case "expert_load" -> listener.onExpertLoad(toExpertLoad());
            case "memory" ->
                listener.onMemory(new MemoryComparison(
                        step(),
                        json.path("planned_megabytes").longValue(),
                        json.path("measured_megabytes").longValue()));
            case "checkpoint" ->
                listener.onCheckpoint(Path.of(json.path("directory").asText()), step());
            case "samples" -> listener.onSamples(toSamples());
            case "end" ->
                listener.onEnd(new TrainingSummary(
                        step(),
                        optionalNumber("final_loss"),
                        optionalNumber("best_evaluation_loss"),
                        seconds("elapsed_seconds"),
                        number("tokens_per_second"),
                        EndReason.ofKey(json.path("reason").asText()),
                        json.path("explanation").asText()));
            case "failure" ->
                listener.onFailure(new LoggedFailure(json.path("failure").asText()));
            default -> {
                // Written by a later version of this library.
            }
        }
    }

    private void numbers(String key, Map<String, Double> numbers) {
        if (!numbers.isEmpty()) {
            MetricsEvent values = new MetricsEvent(json.putObject(key));
            numbers.forEach(values::number);
        }
    }

    private Map<String, Double> numbers(String key) {
        Map<String, Double> numbers = new LinkedHashMap<>();
        if (json.path(key) instanceof ObjectNode object) {
            MetricsEvent values = new MetricsEvent(object);
            object.fieldNames().forEachRemaining(name -> numbers.put(name, values.number(name)));
        }
        return numbers;
    }

    private List<ScoreTable> tables() {
        List<ScoreTable> tables = new ArrayList<>();
        for (JsonNode table : json.path("tables")) {
            List<String> columns = new ArrayList<>();
            table.path("columns").forEach(column -> columns.add(column.asText()));
            List<List<Double>> rows = new ArrayList<>();
            for (JsonNode row : table.path("rows")) {
                List<Double> numbers = new ArrayList<>();
                row.forEach(number -> numbers.add(number.isNumber() ? number.doubleValue() : Double.NaN));
                rows.add(numbers);
            }
            tables.add(new ScoreTable(table.path("title").asText(), columns, rows));
        }
        return tables;
    }

    private ExpertLoad toExpertLoad() {
        List<ExpertLoad.Layer> layers = new ArrayList<>();
        for (JsonNode layer : json.path("layers")) {
            List<Double> shares = new ArrayList<>();
            layer.path("shares").forEach(share -> shares.add(share.asDouble()));
            if (!shares.isEmpty()) {
                layers.add(new ExpertLoad.Layer(
                        layer.path("layer").asInt(), layer.path("tokens").asLong(), shares));
            }
        }
        return new ExpertLoad(step(), layers);
    }

    private TrainingPlan toPlan() {
        JsonNode configuration = json.path("configuration").isObject() ? json.path("configuration") : Json.object();
        return new TrainingPlan(
                json.path("run_name").asText(),
                json.path("total_steps").longValue(),
                number("total_epochs"),
                step(),
                json.path("trainable_parameters").longValue(),
                json.path("total_parameters").longValue(),
                Json.toMap(configuration));
    }

    private StepMetrics toStepMetrics() {
        return new StepMetrics(
                step(),
                json.path("total_steps").longValue(),
                number("epoch"),
                number("loss"),
                number("learning_rate"),
                number(
                        json.has("grad_norm")
                                ? "grad_norm"
                                : "gradient_norm"), // the second one in logs of earlier versions
                json.path("tokens").longValue(),
                json.path("labelled_tokens").longValue(),
                number("tokens_per_second"),
                seconds("elapsed_seconds"),
                Duration.ZERO,
                numbers("metrics"));
    }

    private List<SampleComparison> toSamples() {
        List<SampleComparison> samples = new ArrayList<>();
        for (JsonNode sample : json.path("samples")) {
            samples.add(new SampleComparison(
                    sample.path("prompt").asText(),
                    sample.path("expected").textValue(),
                    sample.path("before").asText(),
                    sample.path("after").asText()));
        }
        return samples;
    }

    private void number(String key, double value) {
        if (Double.isFinite(value)) {
            json.put(key, value);
        } else {
            json.put(key, Double.toString(value));
        }
    }

    private double number(String key) {
        JsonNode value = json.path(key);
        if (value.isNumber()) {
            return value.doubleValue();
        }
        return switch (value.asText()) {
            case "Infinity" -> Double.POSITIVE_INFINITY;
            case "-Infinity" -> Double.NEGATIVE_INFINITY;
            default -> Double.NaN;
        };
    }

    private void optionalNumber(String key, @Nullable Double value) {
        if (value != null) {
            number(key, value);
        }
    }

    private @Nullable Double optionalNumber(String key) {
        return json.has(key) ? number(key) : null;
    }

    private void seconds(String key, Duration duration) {
        json.put(key, duration.toNanos() / NANOS);
    }

    private Duration seconds(String key) {
        return Duration.ofNanos(Math.round(json.path(key).doubleValue() * NANOS));
    }

    /** Only what JSON knows: anything else (paths, enums, ...) as its text. */
    private static @Nullable Object plain(@Nullable Object value) {
        if (value instanceof Map<?, ?> map) {
            Map<String, @Nullable Object> copy = new LinkedHashMap<>();
            map.forEach((key, inner) -> copy.put(String.valueOf(key), plain(inner)));
            return copy;
        }
        if (value instanceof Collection<?> items) {
            List<@Nullable Object> copy = new ArrayList<>();
            items.forEach(item -> copy.add(plain(item)));
            return copy;
        }
        boolean finite =
                !(value instanceof Double || value instanceof Float) || Double.isFinite(((Number) value).doubleValue());
        boolean known = value == null || value instanceof Number || value instanceof Boolean;
        return known && finite ? value : String.valueOf(value);
    }
}
