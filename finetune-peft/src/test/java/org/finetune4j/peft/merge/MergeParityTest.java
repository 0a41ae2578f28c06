package org.finetune4j.peft.merge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The merging methods against PEFT's and the papers' numbers. */
class MergeParityTest {

    private static final double[] WEIGHTS = {0.5, 1, 0.8f};
    private static final double DENSITY = 0.4;
    private static final double LAMBDA = 0.7;

    private final TensorScope scope = TensorScope.open();
    private final SafetensorsFile golden = open("tensors.safetensors");

    @AfterEach
    void close() {
        golden.close();
        scope.close();
    }

    static Path golden(String name) {
        try {
            return Path.of(Objects.requireNonNull(MergeParityTest.class.getResource("/goldens/merge/" + name))
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static SafetensorsFile open(String name) {
        return SafetensorsFile.open(golden(name));
    }

    @ParameterizedTest
    @ValueSource(strings = {"w", "b"})
    void everyMethodGivesTheGoldenNumbers(String part) {
        Tensor base = get("base." + part);
        List<Tensor> models = all("model", part);
        List<Tensor> deltas = all("delta", part);
        List<Tensor> masks = all("dare_mask", part);
        double third = 1.0 / 3;
        near("soup_uniform." + part, WeightedSum.of(models, new double[] {third, third, third}));
        double total = WEIGHTS[0] + WEIGHTS[1] + WEIGHTS[2];
        near(
                "soup_weighted." + part,
                WeightedSum.of(models, new double[] {WEIGHTS[0] / total, WEIGHTS[1] / total, WEIGHTS[2] / total}));
        near("task_arithmetic." + part, TaskArithmetic.of(base, deltas, WEIGHTS));
        for (int i = 0; i < 3; i++) {
            near("trimmed" + i + "." + part, MagnitudePruning.prune(deltas.get(i), DENSITY));
        }
        near("magnitude_prune." + part, MagnitudePruning.merge(deltas, WEIGHTS, DENSITY));
        near("ties_total." + part, Ties.merge(deltas, WEIGHTS, DENSITY, MajoritySign.TOTAL));
        near("ties_frequency." + part, Ties.merge(deltas, WEIGHTS, DENSITY, MajoritySign.FREQUENCY));
        near("dare_linear." + part, Dare.linear(deltas, masks, WEIGHTS, DENSITY));
        near("dare_ties." + part, Dare.ties(deltas, masks, WEIGHTS, DENSITY, MajoritySign.TOTAL));
        for (String t : List.of("0", "0.25", "0.5", "1")) {
            near("slerp_" + t + "." + part, Slerp.between(models.get(0), models.get(1), Double.parseDouble(t)));
        }
    }

    @Test
    void nearlyParallelTensorsAreInterpolatedLinearly() {
        near("slerp_parallel_0.3.b", Slerp.between(get("model0.b"), get("slerp_parallel_other.b"), 0.3));
    }

    @Test
    void thePapersTiesHasOneThresholdForTheWholeTaskVector() {
        double[] thresholds = IntStream.range(0, 3)
                .mapToDouble(
                        i -> PaperTies.threshold(List.of(get("delta" + i + ".w"), get("delta" + i + ".b")), DENSITY))
                .toArray();
        for (String part : List.of("w", "b")) {
            near("ties_paper." + part, PaperTies.merge(get("base." + part), all("delta", part), thresholds, LAMBDA));
        }
    }

    @Test
    void theGreedySoupKeepsTheSameIngredients() {
        try (SafetensorsFile file = open("greedy_soup.safetensors")) {
            Tensor x = file.tensor("X");
            Tensor y = file.tensor("y");
            Tensor models = file.tensor("models"); // [candidates, 6]
            double[] alone = file.tensor("individual_scores").toDoubleArray();
            GreedySoup soup = GreedySoup.of(alone, kept -> {
                Tensor w = mean(models, kept);
                return -x.matmul(w.unsqueeze(1))
                        .squeeze(1)
                        .sub(y)
                        .square()
                        .mean()
                        .item();
            });
            assertEquals(List.of(5, 4, 2, 1), soup.ingredients());
            assertEquals(-0.08148118108510971, soup.score(), 1e-6);
            assertEquals(
                    List.of(5, 4, 2, 3, 0, 1),
                    soup.steps().stream().map(GreedySoup.Step::candidate).toList());
            assertTrue(mean(models, soup.ingredients())
                            .sub(file.tensor("soup"))
                            .abs()
                            .max()
                            .item()
                    < 1e-6);
        }
    }

    private static Tensor mean(Tensor models, List<Integer> kept) {
        double[] equal = new double[kept.size()];
        Arrays.fill(equal, 1.0 / equal.length);
        return WeightedSum.of(kept.stream().map(i -> models.select(0, i)).toList(), equal);
    }

    private Tensor get(String name) {
        return golden.tensor(name);
    }

    private List<Tensor> all(String kind, String part) {
        return IntStream.range(0, 3).mapToObj(i -> get(kind + i + "." + part)).toList();
    }

    private void near(String name, Tensor actual) {
        double difference = actual.sub(get(name)).abs().max().item();
        assertTrue(difference <= 1e-6, () -> name + " differs by " + difference);
    }
}
