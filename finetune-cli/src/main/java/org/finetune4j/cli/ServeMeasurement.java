package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.finetune4j.FinetuneException;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.jspecify.annotations.Nullable;

/** What is measured of a server, from outside: switching and reading adapters, tokens a second, waiting for tokens. */
final class ServeMeasurement {

    /** How much is asked for: answers a figure, tokens of each, clients that ask at once, rounds of which the median counts. */
    record Size(int requests, int newTokens, int clients, int rounds) {}

    /** Which of several adapters a request names: all equally often, or the k-th 1/k times as often as the first (Zipf). */
    enum Popularity {
        UNIFORM,
        SKEWED;

        /** The adapters that requests name in their order, the same in every run. */
        int[] choose(int adapters, int requests) {
            SplittableRandom random = new SplittableRandom(adapters);
            double[] weights = IntStream.rangeClosed(1, adapters)
                    .mapToDouble(rank -> this == UNIFORM ? 1 : 1.0 / rank)
                    .toArray();
            double all =
                    IntStream.range(0, adapters).mapToDouble(i -> weights[i]).sum();
            return IntStream.range(0, requests)
                    .map(request -> {
                        double at = random.nextDouble() * all;
                        int chosen = 0;
                        while (chosen < adapters - 1 && at >= weights[chosen]) {
                            at -= weights[chosen++];
                        }
                        return chosen;
                    })
                    .toArray();
        }
    }

    private final ServeClient client;
    private final Size size;
    private final String base;
    private final List<ServeClient.Offered> adapters;

    ServeMeasurement(ServeClient client, Size size) {
        this.client = client;
        this.size = size;
        this.base = client.base();
        this.adapters = client.adapters();
    }

    int adapters() {
        return adapters.size();
    }

    private static String prompt(int number) {
        return "Once upon a time, in year " + number + ", there was a";
    }

    /** Reads adapters from disk again and again, while nobody asks anything. */
    ObjectNode loading(int loads) {
        List<Long> nanos = new ArrayList<>();
        for (int i = 0; i < loads; i++) {
            nanos.add(client.load(adapters.get(i % adapters.size())));
        }
        return percentiles(nanos.subList(Math.min(5, nanos.size() / 2), nanos.size())); // the first warm up
    }

    /** Answers of one token: of one adapter, and of another adapter with every request, in turn. */
    ObjectNode switching(int switches) {
        int used = Math.min(adapters.size(), 16);
        for (int i = 0; i < used; i++) {
            client.complete(adapters.get(i).name(), prompt(i), 1);
        }
        List<Long> same = new ArrayList<>();
        List<Long> other = new ArrayList<>();
        for (int i = 0; i < switches; i++) {
            same.add(client.complete(adapters.get(0).name(), prompt(0), 1));
            client.complete(adapters.get(1 + i % (used - 1)).name(), prompt(0), 1);
            other.add(client.complete(adapters.get(0).name(), prompt(0), 1));
        }
        ObjectNode result = Json.object();
        result.set("request_of_the_same_adapter", percentiles(same));
        result.set("request_after_another_adapter", percentiles(other));
        ObjectNode inside = result.putObject("inside_the_server");
        putMilliseconds(inside, "p50_ms", client.metric("finetune_adapter_switch_seconds{quantile=\"0.5\"}"));
        putMilliseconds(inside, "p99_ms", client.metric("finetune_adapter_switch_seconds{quantile=\"0.99\"}"));
        return result;
    }

    private static void putMilliseconds(ObjectNode node, String key, @Nullable Double seconds) {
        if (seconds != null) {
            node.put(key, rounded(seconds * 1e3));
        }
    }

    /** The base's tokens a second when requests come one at a time and when several clients ask, in turn. */
    ObjectNode concurrency() {
        List<Double> one = new ArrayList<>();
        List<Double> several = new ArrayList<>();
        int fewer = Math.max(1, size.requests() / size.clients());
        for (int round = 0; round <= size.rounds(); round++) {
            one.add(tokensPerSecond(fewer, 1, request -> base));
            several.add(tokensPerSecond(size.requests(), size.clients(), request -> base));
        }
        ObjectNode result = Json.object();
        result.put("clients", size.clients());
        result.put("one_at_a_time_tokens_per_s", rounded(median(one)));
        result.put("together_tokens_per_s", rounded(median(several)));
        result.put("speedup", rounded(ratio(several, one)));
        return result;
    }

    /** Tokens a second with so many adapters, and what they are of those with one, which is measured beside in every round. */
    ObjectNode popularity(List<Integer> counts, Popularity popularity) {
        List<List<Double>> speeds = new ArrayList<>();
        List<Double> single = new ArrayList<>();
        counts.forEach(count -> speeds.add(new ArrayList<>()));
        for (int round = 0; round <= size.rounds(); round++) {
            single.add(tokensPerSecond(
                    size.requests(), size.clients(), request -> adapters.get(0).name()));
            for (int i = 0; i < counts.size(); i++) {
                int[] chosen = popularity.choose(counts.get(i), size.requests());
                speeds.get(i)
                        .add(tokensPerSecond(size.requests(), size.clients(), request -> adapters.get(chosen[request])
                                .name()));
            }
        }
        ObjectNode result = Json.object();
        for (int i = 0; i < counts.size(); i++) {
            ObjectNode node = result.putObject(String.valueOf(counts.get(i)));
            node.put("tokens_per_s", rounded(median(speeds.get(i))));
            node.put("of_single", rounded(ratio(speeds.get(i), single)));
        }
        return result;
    }

    /** The model that a request names. */
    private interface Choice {
        String model(int request);
    }

    private double tokensPerSecond(int requests, int clients, Choice choice) {
        long start = System.nanoTime();
        inParallel(
                requests,
                clients,
                request -> client.complete(choice.model(request), prompt(request), size.newTokens()));
        return (double) requests * size.newTokens() / ((System.nanoTime() - start) / 1e9);
    }

    /** How long streams wait for their first text and from one text to the next, with so many clients. */
    ObjectNode waiting(int clients) {
        List<ServeClient.Times> times =
                inParallel(size.requests(), clients, request -> client.stream(base, prompt(request), size.newTokens()));
        ObjectNode result = Json.object();
        result.set(
                "first_token",
                percentiles(times.stream().map(ServeClient.Times::first).toList()));
        result.set(
                "between_tokens",
                percentiles(
                        times.stream().flatMap(each -> each.between().stream()).toList()));
        return result;
    }

    /** A request by its number. */
    private interface Asking<T> {
        T ask(int request);
    }

    private static <T> List<T> inParallel(int requests, int clients, Asking<T> asking) {
        AtomicInteger next = new AtomicInteger();
        List<T> results = Collections.synchronizedList(new ArrayList<>());
        Callable<Boolean> work = () -> {
            for (int request = next.getAndIncrement(); request < requests; request = next.getAndIncrement()) {
                results.add(asking.ask(request));
            }
            return true;
        };
        ExecutorService pool = Executors.newFixedThreadPool(clients);
        try {
            for (Future<Boolean> done : pool.invokeAll(Collections.nCopies(clients, work))) {
                done.get();
            }
            return results;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new FinetuneException(Reasons.of(e), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted", e);
        } finally {
            pool.shutdownNow();
        }
    }

    private static ObjectNode percentiles(List<Long> nanos) {
        List<Long> sorted = nanos.stream().sorted().toList();
        ObjectNode node = Json.object();
        node.put("count", sorted.size());
        if (!sorted.isEmpty()) {
            node.put("p50_ms", rounded(sorted.get((sorted.size() - 1) / 2) / 1e6));
            node.put("p99_ms", rounded(sorted.get((int) Math.ceil(sorted.size() * 0.99) - 1) / 1e6));
        }
        return node;
    }

    /** Of all rounds but the first, which warms up. */
    private static double median(List<Double> rounds) {
        List<Double> sorted = rounds.stream().skip(1).sorted().toList();
        return sorted.get(sorted.size() / 2);
    }

    /** The median of the rounds' ratios. */
    private static double ratio(List<Double> rounds, List<Double> others) {
        return median(IntStream.range(0, rounds.size())
                .mapToObj(round -> rounds.get(round) / others.get(round))
                .toList());
    }

    private static BigDecimal rounded(double value) {
        return BigDecimal.valueOf(value).setScale(4, RoundingMode.HALF_UP);
    }
}
