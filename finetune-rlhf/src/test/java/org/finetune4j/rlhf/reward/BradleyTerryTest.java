package org.finetune4j.rlhf.reward;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.rlhf.pair.TokenizedPair;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The loss of reward models by TRL's recorded numbers, in whatever rows the answers lie. */
class BradleyTerryTest {

    private static Batch batch(CausalLM model, boolean sharing, float[] margins) {
        return sharing ? RewardGolden.sharing(model, margins) : RewardGolden.apart(model, margins);
    }

    private static double loss(CausalLM model, BradleyTerry objective, Batch batch) {
        double scale = 1.0 / objective.count(batch);
        return new Backpropagation(model, GradientCheckpointing.none())
                .evaluate(batch.modelInputs(), objective.head(model.network(), batch, scale));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void rewardsAreThoseOfTransformers(boolean sharing) {
        try (CausalLM model = RewardGolden.model()) {
            Batch batch = batch(model, sharing, null);
            List<Float> seen = new ArrayList<>();
            new Backpropagation(model, GradientCheckpointing.none())
                    .evaluate(batch.modelInputs(), new BradleyTerry(0).head(model.network(), batch, 1, rewards -> {
                                for (float reward : rewards) {
                                    seen.add(reward);
                                }
                            }));
            float[] expected = RewardGolden.numbers("rewards"); // the chosen answers first
            for (int i = 0; i < seen.size(); i++) {
                assertEquals(expected[i / 2 + i % 2 * RewardGolden.PAIRS], seen.get(i), 5e-5, "answer " + i);
            }
            assertEquals(expected.length, seen.size());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "plain, 0, true",
        "plain, 0, false",
        "margin, 0, true",
        "margin, 0, false",
        "centered, 0.05, true",
        "centered, 0.05, false"
    })
    void lossAndGradientsAreThoseOfTrl(String name, double centring, boolean sharing) {
        BradleyTerry objective = new BradleyTerry(centring);
        float[] margins = name.equals("margin") ? RewardGolden.numbers("margin") : null;
        try (CausalLM model = RewardGolden.model();
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Batch batch = batch(model, sharing, margins);
            assertEquals(3, objective.count(batch));
            double loss = new Backpropagation(model, GradientCheckpointing.none())
                    .run(batch.modelInputs(), objective.head(model.network(), batch, 1.0 / 3));
            assertEquals(RewardGolden.numbers(name + ".loss")[0], loss, 1e-5);
            Map<String, Parameter> parameters = model.network().namedParameters();
            List<String> recorded = name.equals("plain") ? List.copyOf(parameters.keySet()) : List.of("score.weight");
            for (String parameter : recorded) {
                assertGradient(
                        parameter,
                        RewardGolden.numbers(name + ".grad." + parameter),
                        Objects.requireNonNull(parameters.get(parameter)));
            }
        }
    }

    private static void assertGradient(String name, float[] expected, Parameter parameter) {
        try (TensorScope scope = TensorScope.open()) {
            float[] actual = Objects.requireNonNull(parameter.grad()).toFloatArray();
            float largest = 0;
            for (float value : expected) {
                largest = Math.max(largest, Math.abs(value));
            }
            assertArrayEquals(expected, actual, 1e-4f * largest + 1e-7f, name);
        }
    }

    @Test
    void gradientsAreTheDifferencesOfTheLoss() {
        BradleyTerry objective = new BradleyTerry(0.05);
        try (CausalLM model = RewardGolden.model();
                AttachedStrategy full = new FullFineTuning().attach(model);
                Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Batch batch = batch(model, true, new float[] {0.2f, 0, 1});
            new Backpropagation(model, GradientCheckpointing.none())
                    .run(batch.modelInputs(), objective.head(model.network(), batch, 1.0 / 3));
            for (String name : List.of("score.weight", "model.norm.weight", "model.layers.0.self_attn.v_proj.weight")) {
                Parameter parameter =
                        Objects.requireNonNull(model.network().namedParameters().get(name));
                double analytic = Objects.requireNonNull(parameter.grad())
                        .reshape(-1)
                        .select(0, 3)
                        .item();
                Tensor element = parameter.value().detach().view(-1).narrow(0, 3, 1);
                float original = (float) element.item();
                element.copyInPlace(Tensors.of(new float[] {original + 1e-2f}, 1));
                double above = loss(model, objective, batch);
                element.copyInPlace(Tensors.of(new float[] {original - 1e-2f}, 1));
                double below = loss(model, objective, batch);
                element.copyInPlace(Tensors.of(new float[] {original}, 1));
                assertEquals((above - below) / 2e-2, analytic, 1e-4 + 2e-3 * Math.abs(analytic), name);
            }
        }
    }

    @Test
    void aBatchSplitInTwoChangesNothing() {
        try (CausalLM model = RewardGolden.model();
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Backpropagation backpropagation = new Backpropagation(model, GradientCheckpointing.none());
            BradleyTerry objective = new BradleyTerry(0.05);
            double loss = 0;
            for (TokenizedPair pair : RewardGolden.pairs()) {
                Batch one = new Collator(0, 1)
                        .collate(List.of(
                                BradleyTerry.sample(pair, model.network().pooling(), pair.common())));
                loss += backpropagation.run(one.modelInputs(), objective.head(model.network(), one, 1.0 / 3));
            }
            assertEquals(RewardGolden.numbers("centered.loss")[0], loss, 1e-5);
            assertGradient(
                    "score.weight",
                    RewardGolden.numbers("centered.grad.score.weight"),
                    Objects.requireNonNull(model.network().namedParameters().get("score.weight")));
        }
    }

    @Test
    void columnsThatDoNotFitAreRefused() {
        try (CausalLM model = RewardGolden.model()) {
            Batch batch = batch(model, true, null);
            assertRefused(model, batch, Map.of(), "'answer_ends'");
            assertRefused(model, batch, Map.of(BradleyTerry.ENDS, new float[][] {{0, 1}, {1}, {}}), "3 answers");
            assertRefused(model, batch, Map.of(BradleyTerry.ENDS, new float[][] {{0, 99}, {1, 2}, {1, 2}}), "99");
            Map<String, float[][]> columns = new HashMap<>(batch.columns());
            columns.put(BradleyTerry.MARGIN, new float[][] {{1}, {1}, {Float.NaN}});
            assertRefused(model, batch, columns, "margin");
            columns.put(BradleyTerry.MARGIN, new float[][] {{1}, {1}, {}});
            assertRefused(model, batch, columns, "2 numbers for 3 pairs");
        }
    }

    private static void assertRefused(CausalLM model, Batch batch, Map<String, float[][]> columns, String expected) {
        Batch changed = new Batch(
                batch.batchSize(),
                batch.sequenceLength(),
                batch.inputIds(),
                batch.attentionMask(),
                batch.labels(),
                batch.positionIds(),
                columns);
        UserErrorException refused =
                assertThrows(UserErrorException.class, () -> new BradleyTerry(0).head(model.network(), changed, 1));
        assertTrue(refused.getMessage().contains(expected), refused.getMessage());
    }
}
