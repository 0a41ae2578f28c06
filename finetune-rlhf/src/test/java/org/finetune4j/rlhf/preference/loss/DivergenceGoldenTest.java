package org.finetune4j.rlhf.preference.loss;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.finetune4j.InputFiles;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** DiscoPOP, and losses under other divergences from the reference, have the numbers of TRL 1.13's own lines. */
class DivergenceGoldenTest {

    private static final JsonNode RECORDED = InputFiles.json(Path.of("src/test/resources/goldens/divergences.json"));

    static Stream<JsonNode> cases() {
        return StreamSupport.stream(RECORDED.path("cases").spliterator(), false);
    }

    private static PairLoss loss(JsonNode recorded) {
        String type = recorded.path("loss_type").asText();
        PairLoss plain = type.equals("discopop")
                ? new DiscopopLoss(0.3, recorded.path("discopop_tau").asDouble())
                : PairLosses.named(type, 0.3, 0.2);
        double alpha = recorded.path("f_alpha_divergence_coef").asDouble();
        return switch (recorded.path("f_divergence_type").asText()) {
            case "forward_kl" -> new DivergenceLoss(plain, new Divergence.ForwardKl());
            case "js_divergence" -> new DivergenceLoss(plain, new Divergence.JensenShannon());
            case "alpha_divergence" -> new DivergenceLoss(plain, new Divergence.Alpha(alpha));
            default -> plain;
        };
    }

    private static Answer answer(JsonNode numbers) {
        return new Answer(
                numbers.path(0).asDouble(),
                numbers.path(1).asDouble(),
                numbers.path(2).asInt());
    }

    @ParameterizedTest
    @MethodSource("cases")
    void lossesAndDerivativesAreThoseOfTrl(JsonNode recorded) {
        PairLoss loss = loss(recorded);
        for (int i = 0; i < RECORDED.path("chosen").size(); i++) {
            PairLoss.Value value = loss.of(
                    answer(RECORDED.path("chosen").path(i)),
                    answer(RECORDED.path("rejected").path(i)));
            assertClose(recorded.path("losses").path(i), value.loss());
            assertClose(recorded.path("gradients_chosen").path(i), value.chosen());
            assertClose(recorded.path("gradients_rejected").path(i), value.rejected());
        }
    }

    private static void assertClose(JsonNode expected, double actual) {
        assertEquals(expected.asDouble(), actual, 1e-5 * Math.max(1, Math.abs(expected.asDouble())));
    }
}
