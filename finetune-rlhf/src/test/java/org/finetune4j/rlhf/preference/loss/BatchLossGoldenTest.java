package org.finetune4j.rlhf.preference.loss;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.finetune4j.InputFiles;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Losses that look at a batch as a whole have the numbers of TRL 1.13's own lines. */
class BatchLossGoldenTest {

    private static final JsonNode RECORDED = InputFiles.json(Path.of("src/test/resources/goldens/batch-losses.json"));
    private static final double STEP = 1e-5;

    static Stream<JsonNode> cases() {
        return StreamSupport.stream(RECORDED.path("cases").spliterator(), false);
    }

    private static Answer answer(JsonNode numbers) {
        return new Answer(
                numbers.path(0).asDouble(),
                numbers.path(1).asDouble(),
                numbers.path(2).asInt());
    }

    private static List<PairLoss.Pair> recorded() {
        return IntStream.range(0, RECORDED.path("chosen").size())
                .mapToObj(i -> new PairLoss.Pair(
                        answer(RECORDED.path("chosen").path(i)),
                        answer(RECORDED.path("rejected").path(i))))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void lossesAndDerivativesAreThoseOfTrl(JsonNode recorded) {
        PairLoss loss = PairLosses.named(
                recorded.path("loss_type").asText(),
                recorded.path("beta").asDouble(),
                recorded.path("label_smoothing").asDouble());
        List<PairLoss.Value> values = loss.ofAll(recorded());
        assertEquals(recorded.path("loss").asDouble(), sum(values), 1e-9);
        for (int i = 0; i < values.size(); i++) {
            assertEquals(
                    recorded.path("gradients_chosen").path(i).asDouble(),
                    values.get(i).chosen(),
                    1e-9);
            assertEquals(
                    recorded.path("gradients_rejected").path(i).asDouble(),
                    values.get(i).rejected(),
                    1e-9);
        }
    }

    private static double sum(List<PairLoss.Value> values) {
        return values.stream().mapToDouble(PairLoss.Value::loss).sum();
    }

    @ParameterizedTest
    @ValueSource(strings = {"aot", "aot_unpaired", "sigmoid", "nca_pair"})
    void derivativesOfABatchAreFiniteDifferences(String name) {
        PairLoss loss = PairLosses.named(name, 0.3, 0);
        Random random = new Random(11);
        List<PairLoss.Pair> pairs = IntStream.range(0, 7)
                .mapToObj(i -> new PairLoss.Pair(answer(random), answer(random)))
                .toList();
        List<PairLoss.Value> values = loss.ofAll(pairs);
        for (int i = 0; i < pairs.size(); i++) {
            assertEquals(slope(loss, pairs, i, STEP, 0), values.get(i).chosen(), 1e-6);
            assertEquals(slope(loss, pairs, i, 0, STEP), values.get(i).rejected(), 1e-6);
        }
    }

    private static Answer answer(Random random) {
        return new Answer(-40 * random.nextDouble() - 0.1, -40 * random.nextDouble(), 1 + random.nextInt(9));
    }

    private static double slope(PairLoss loss, List<PairLoss.Pair> pairs, int index, double chosen, double rejected) {
        double above = sum(loss.ofAll(moved(pairs, index, chosen, rejected)));
        double below = sum(loss.ofAll(moved(pairs, index, -chosen, -rejected)));
        return (above - below) / (2 * STEP);
    }

    private static List<PairLoss.Pair> moved(List<PairLoss.Pair> pairs, int index, double chosen, double rejected) {
        return IntStream.range(0, pairs.size())
                .mapToObj(i -> i == index
                        ? new PairLoss.Pair(
                                moved(pairs.get(i).chosen(), chosen),
                                moved(pairs.get(i).rejected(), rejected))
                        : pairs.get(i))
                .toList();
    }

    private static Answer moved(Answer answer, double by) {
        return new Answer(answer.logprob() + by, answer.reference(), answer.tokens());
    }
}
