package org.finetune4j.train.report;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;

/**
 * Gives a training's numbers to a Micrometer registry, and so to Prometheus, OTLP and others: gauges
 * {@code finetune4j.loss}, {@code .learning.rate}, {@code .gradient.norm}, {@code .step}, {@code .eval.*}; counters
 * {@code .tokens} and {@code .checkpoints}; the timer {@code .data.wait}. All are tagged with the run's name. Micrometer is an
 * optional dependency: add {@code io.micrometer:micrometer-core} yourself.
 */
public final class MicrometerListener implements TrainingListener {

    private static final String PREFIX = "finetune4j.";

    private final MeterRegistry registry;
    private Map<String, Double> values = new ConcurrentHashMap<>();
    private Tags tags = Tags.empty();

    /**
     * The registry stays the caller's.
     *
     * @param registry where the meters are registered
     */
    public MicrometerListener(MeterRegistry registry) {
        this.registry = Objects.requireNonNull(registry, "registry");
    }

    @Override
    public void onStart(TrainingPlan plan) {
        tags = Tags.of("run", plan.runName());
        values = new ConcurrentHashMap<>();
        set("steps.total", (double) plan.totalSteps());
    }

    @Override
    public void onStep(StepMetrics metrics) {
        set("step", (double) metrics.step());
        set("loss", metrics.loss());
        set("learning.rate", metrics.learningRate());
        set("gradient.norm", metrics.gradientNorm());
        metrics.metrics().forEach((name, value) -> set(name.replace('/', '.'), value));
        Counter.builder(PREFIX + "tokens").tags(tags).register(registry).increment((double) metrics.tokens());
        Timer.builder(PREFIX + "data.wait").tags(tags).register(registry).record(metrics.dataWait());
    }

    @Override
    public void onEvaluation(EvaluationMetrics metrics) {
        set("eval.loss", metrics.loss());
        if (metrics.isOfLanguage()) {
            set("eval.perplexity", metrics.perplexity());
        }
        Double exactMatch = metrics.exactMatch();
        if (exactMatch != null) {
            set("eval.exact.match", exactMatch);
        }
        metrics.scores().forEach((name, score) -> set("eval." + name.replace('/', '.'), score));
    }

    @Override
    public void onCheckpoint(Path directory, long step) {
        Counter.builder(PREFIX + "checkpoints").tags(tags).register(registry).increment();
    }

    private void set(String name, double value) {
        if (values.put(name, value) == null) {
            Gauge before = registry.find(PREFIX + name).tags(tags).gauge();
            if (before != null) {
                registry.remove(before); // of an earlier run of this name, which would be asked for ever
            }
            Gauge.builder(PREFIX + name, values, current -> current.getOrDefault(name, Double.NaN))
                    .tags(tags)
                    .strongReference(true)
                    .register(registry);
        }
    }
}
