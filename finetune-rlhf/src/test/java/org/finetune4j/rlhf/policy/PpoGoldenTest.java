package org.finetune4j.rlhf.policy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PpoGoldenTest {

    private static PolicyGolden golden;
    private static int[] tokens;
    private static int[] positions;
    private static final JsonNode SETTINGS = PolicyGolden.settings("ppo");

    @BeforeAll
    static void open() {
        golden = new PolicyGolden("ppo");
        tokens = Arrays.stream(golden.values("last_token"))
                .mapToInt(last -> (int) last + 1)
                .toArray();
        int width = golden.width("values", tokens.length);
        positions =
                Arrays.stream(tokens).map(count -> Math.min(width, count + 1)).toArray();
    }

    @AfterAll
    static void close() {
        golden.close();
    }

    private static double setting(String name) {
        return SETTINGS.path(name).asDouble();
    }

    private static double[][] kl(KlEstimator estimator) {
        double[][] policy = golden.rows("logprobs", tokens);
        double[][] reference = golden.rows("ref_logprobs", tokens);
        double[][] kl = new double[tokens.length][];
        Arrays.setAll(kl, row -> estimator.of(policy[row], reference[row]));
        return kl;
    }

    private static double[][] rewards(KlEstimator estimator) {
        double[][] kl = kl(estimator);
        double[] scores = golden.values("scores");
        double[][] rewards = new double[tokens.length][];
        Arrays.setAll(rewards, row -> TokenRewards.of(kl[row], setting("kl_coef"), scores[row], positions[row]));
        return rewards;
    }

    private static double[][] advantages(KlEstimator estimator) {
        double[][] rewards = rewards(estimator);
        double[][] values = golden.rows("values", positions);
        GeneralizedAdvantage gae = new GeneralizedAdvantage(setting("gamma"), setting("lam"));
        double[][] advantages = new double[tokens.length][];
        Arrays.setAll(advantages, row -> gae.advantages(rewards[row], values[row]));
        return advantages;
    }

    private static double[][] ofTokens(double[][] all) {
        double[][] cut = new double[all.length][];
        Arrays.setAll(cut, row -> Arrays.copyOf(all[row], tokens[row]));
        return cut;
    }

    @ParameterizedTest
    @EnumSource(
            value = KlEstimator.class,
            names = {"K1", "K3"})
    void divergencesRewardsAdvantagesAndReturnsAreTheRecordedOnes(KlEstimator estimator) {
        String prefix = estimator == KlEstimator.K1 ? "k1." : "k3.";
        double[][] advantages = advantages(estimator);
        double[][] values = golden.rows("values", positions);
        double[][] returns = new double[tokens.length][];
        Arrays.setAll(returns, row -> GeneralizedAdvantage.returns(advantages[row], values[row]));
        golden.assertRows(prefix + "kl", kl(estimator), PolicyGolden.LOSS);
        golden.assertRows(prefix + "rewards", rewards(estimator), PolicyGolden.LOSS);
        golden.assertRows(prefix + "advantages_raw", advantages, PolicyGolden.LOSS);
        golden.assertRows(prefix + "returns", returns, PolicyGolden.LOSS);
        golden.assertRows(prefix + "advantages", Whitening.of(ofTokens(advantages)), PolicyGolden.LOSS);
        golden.assertRows(prefix + "rewards_whitened", Whitening.keepingMean(rewards(estimator)), PolicyGolden.LOSS);
    }

    @Test
    void clippedLossesAndTheirGradientsAreTheRecordedOnes() {
        double[][] raw = advantages(KlEstimator.K1);
        double[][] whitened = Whitening.of(ofTokens(raw));
        double[][] now = golden.rows("new_logprobs", tokens);
        double[][] drawn = golden.rows("logprobs", tokens);
        double[][] estimates = golden.rows("vpred", positions);
        double[][] before = golden.rows("values", positions);
        List<PpoLoss.Answer> answers = new ArrayList<>();
        for (int row = 0; row < tokens.length; row++) {
            answers.add(new PpoLoss.Answer(
                    now[row],
                    drawn[row],
                    whitened[row],
                    estimates[row],
                    before[row],
                    GeneralizedAdvantage.returns(raw[row], before[row])));
        }
        PpoLoss loss = new PpoLoss(
                ClippedPolicyLoss.of(setting("cliprange")),
                new ClippedValueLoss(setting("cliprange_value")),
                setting("vf_coef"));
        PpoLoss.Value value = loss.of(answers);
        assertEquals(golden.value("pg_loss"), value.policyLoss(), PolicyGolden.LOSS);
        assertEquals(golden.value("vf_loss"), value.valueLoss(), PolicyGolden.LOSS);
        assertEquals(golden.value("loss"), value.loss(), PolicyGolden.LOSS);
        golden.assertRows("grad.new_logprobs", value.logprobDerivatives(), PolicyGolden.GRADIENT);
        golden.assertRows("grad.vpred", value.estimateDerivatives(), PolicyGolden.GRADIENT);
        assertEquals(
                golden.value("pg_clipfrac"),
                value.clippedTokens() / (double) Arrays.stream(tokens).sum(),
                PolicyGolden.LOSS);
        assertEquals(
                golden.value("vf_clipfrac"),
                value.clippedPositions() / (double) Arrays.stream(positions).sum(),
                PolicyGolden.LOSS);
    }
}
