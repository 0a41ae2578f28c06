package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LearningRateScheduleTest {

    private static final Path GOLDEN = Path.of("src/test/resources/goldens/train/schedules.json");

    @ParameterizedTest
    @CsvSource({"linear, 5", "cosine, 5", "constant_with_warmup, 5", "constant, 0"})
    void everyStepHasTransformersLearningRate(String name, int warmup) throws IOException {
        JsonNode golden = new ObjectMapper().readTree(GOLDEN.toFile());
        JsonNode rates = golden.path("schedules").path(name).path("lr");
        LearningRateSchedule schedule = LearningRateSchedule.named(name);
        assertEquals(golden.path("total_steps").asInt(), rates.size());
        for (int step = 0; step < rates.size(); step++) {
            double rate = golden.path("base_lr").asDouble() * schedule.factor(step, warmup, rates.size());
            assertEquals(rates.get(step).asDouble(), rate, 1e-9);
        }
    }

    @Test
    void anUnknownNameIsToldWithTheNearestOne() {
        UserErrorException e = assertThrows(UserErrorException.class, () -> LearningRateSchedule.named("cosin"));
        assertTrue(e.getMessage().contains("cosine"), e.getMessage());
    }
}
