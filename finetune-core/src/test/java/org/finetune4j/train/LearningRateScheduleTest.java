package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.finetune4j.train.optimizer.ScheduleOptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LearningRateScheduleTest {

    private static final Path GOLDEN = Path.of("src/test/resources/goldens/train/schedules.json");

    @ParameterizedTest
    @ValueSource(
            strings = {
                "linear",
                "cosine",
                "constant",
                "constant_with_warmup",
                "cosine_with_restarts",
                "polynomial",
                "inverse_sqrt",
                "cosine_with_min_lr",
                "warmup_stable_decay"
            })
    void everyStepHasTransformersLearningRate(String name) throws IOException {
        JsonNode golden = TestJson.read(GOLDEN);
        JsonNode rates = golden.path("schedules").path(name).path("lr");
        int warmup = golden.path("warmup_steps").asInt();
        Map<String, String> settings = new LinkedHashMap<>();
        golden.path("schedules")
                .path(name)
                .path("arguments")
                .fields()
                .forEachRemaining(
                        entry -> settings.put(entry.getKey(), entry.getValue().asText()));
        LearningRateSchedule schedule = LearningRateSchedule.named(
                name, new ScheduleOptions(settings, golden.path("base_lr").asDouble()));
        assertEquals(golden.path("total_steps").asInt(), rates.size());
        for (int step = 0; step < rates.size(); step++) {
            double rate = golden.path("base_lr").asDouble() * schedule.factor(step, warmup, rates.size());
            assertEquals(rates.get(step).asDouble(), rate, 1e-9);
        }
    }

    @Test
    void rexFallsAsItsPaperSays() {
        LearningRateSchedule rex = LearningRateSchedule.named("rex", new ScheduleOptions(Map.of(), 1e-3));
        // 10 steps of warm-up, then (1 - x) / (1 - x / 2) over the other 80.
        assertEquals(0.5, rex.factor(5, 10, 90), 1e-12);
        assertEquals(1, rex.factor(10, 10, 90), 1e-12);
        assertEquals(2.0 / 3, rex.factor(50, 10, 90), 1e-12);
        assertEquals(0.25 / 0.625, rex.factor(70, 10, 90), 1e-12);
        assertEquals(0, rex.factor(90, 10, 90), 1e-12);
    }

    @Test
    void anUnknownNameIsToldWithTheNearestOne() {
        UserErrorException e = assertThrows(UserErrorException.class, () -> LearningRateSchedule.named("cosin"));
        assertTrue(e.getMessage().contains("cosine"), e.getMessage());
    }
}
