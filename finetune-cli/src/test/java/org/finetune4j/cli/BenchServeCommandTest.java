package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import org.finetune4j.TestJson;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BenchServeCommandTest {

    @Test
    void everyFigureOfAServerIsMeasured() {
        CommandRun run = CommandRun.of(
                "bench",
                "serve",
                "--adapters",
                "1,3",
                "--requests",
                "6",
                "--new-tokens",
                "4",
                "--clients",
                "3",
                "--rounds",
                "1",
                "--switches",
                "4",
                "--json");
        assertEquals(0, run.exitCode(), run.toString());
        JsonNode result = TestJson.parse(run.out().get(0));
        for (String figure : new String[] {
            "/throughput/one_at_a_time_tokens_per_s",
            "/throughput/together_tokens_per_s",
            "/throughput/speedup",
            "/latency/one_client/first_token/p50_ms",
            "/latency/all_clients/between_tokens/p99_ms",
            "/load_from_disk/p99_ms",
            "/switch/request_after_another_adapter/p50_ms",
            "/switch/inside_the_server/p99_ms",
            "/adapters/uniform/3/of_single",
            "/adapters/skewed/3/tokens_per_s",
            "/resident_mb"
        }) {
            assertTrue(result.at(figure).asDouble() > 0, figure + ": " + result);
        }
        assertEquals(3, result.path("adapters_offered").asInt());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--clients 1",
                "--adapters -1",
                "--rounds 0",
                "--url http://127.0.0.1:1",
                "--url http://x --model y"
            })
    void whatCannotBeMeasuredIsSaidInOneLine(String options) {
        CommandRun.assertRefused(CommandRun.of(("bench serve " + options).split(" ")));
    }
}
