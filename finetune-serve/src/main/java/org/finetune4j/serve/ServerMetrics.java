package org.finetune4j.serve;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.finetune4j.train.memory.ProcessMemory;

/** What a server says about itself, in Prometheus' form. No text, key or tenant is part of it. */
final class ServerMetrics implements AutoCloseable {

    private static final String PREFIX = "finetune.";
    private static final Duration[] BUCKETS = {
        Duration.ofMillis(1),
        Duration.ofMillis(2),
        Duration.ofMillis(5),
        Duration.ofMillis(10),
        Duration.ofMillis(20),
        Duration.ofMillis(50),
        Duration.ofMillis(100),
        Duration.ofMillis(200),
        Duration.ofMillis(500),
        Duration.ofSeconds(1),
        Duration.ofSeconds(2),
        Duration.ofSeconds(5),
        Duration.ofSeconds(10),
        Duration.ofSeconds(30),
        Duration.ofSeconds(60)
    };

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final Timer firstToken = timer("first.token", "from a request's arrival to its first text, streams only");
    private final Timer betweenTokens = timer("between.tokens", "from one text of a stream to the next");
    private final Timer adapterLoads = timer("adapter.load", "reading an adapter from disk");
    private final Timer adapterSwitches = Timer.builder(PREFIX + "adapter.switch")
            .description("from a request that names an adapter in memory to the use of it")
            .publishPercentiles(0.5, 0.99)
            .percentilePrecision(2)
            .register(registry);
    private final Counter promptTokens = counter("tokens.prompt", "tokens of prompts");
    private final Counter completionTokens = counter("tokens.completion", "tokens of answers");
    private final Counter prefixHits = counter("prefix.hits", "requests that began with what an earlier one computed");
    private final Counter prefixTokens = counter("prefix.tokens", "tokens of prompts that were not computed again");
    private final Counter refused = counter("requests.refused", "requests that found the queue full");
    private final Counter abandoned = counter("requests.abandoned", "requests whose client went away");

    ServerMetrics() {
        gauge(
                "memory.resident.bytes",
                "memory of the process, -1 where the system does not tell",
                ProcessMemory::residentBytes);
    }

    private Timer timer(String name, String description) {
        return Timer.builder(PREFIX + name)
                .description(description)
                .serviceLevelObjectives(BUCKETS)
                .register(registry);
    }

    private Counter counter(String name, String description) {
        return Counter.builder(PREFIX + name).description(description).register(registry);
    }

    void gauge(String name, String description, Supplier<Number> value) {
        Gauge.builder(PREFIX + name, value).description(description).register(registry);
    }

    void request(String endpoint, int status, long nanos) {
        Timer.builder(PREFIX + "requests")
                .description("requests by endpoint and status")
                .tag("endpoint", endpoint)
                .tag("status", String.valueOf(status))
                .serviceLevelObjectives(BUCKETS)
                .register(registry)
                .record(nanos, TimeUnit.NANOSECONDS);
    }

    void firstToken(long nanos) {
        firstToken.record(nanos, TimeUnit.NANOSECONDS);
    }

    void nextToken(long nanos) {
        betweenTokens.record(nanos, TimeUnit.NANOSECONDS);
    }

    void adapterLoaded(long nanos) {
        adapterLoads.record(nanos, TimeUnit.NANOSECONDS);
    }

    void adapterSwitched(long nanos) {
        adapterSwitches.record(nanos, TimeUnit.NANOSECONDS);
    }

    void used(Usage usage) {
        promptTokens.increment(usage.prompt());
        completionTokens.increment(usage.completion());
        prefixTokens.increment(usage.cached());
        if (usage.cached() > 0) {
            prefixHits.increment();
        }
    }

    void refused() {
        refused.increment();
    }

    void abandoned() {
        abandoned.increment();
    }

    String scrape() {
        return registry.scrape();
    }

    @Override
    public void close() {
        registry.close();
    }
}
