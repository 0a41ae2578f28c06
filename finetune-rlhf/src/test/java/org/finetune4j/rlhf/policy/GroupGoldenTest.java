package org.finetune4j.rlhf.policy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Locale;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GroupGoldenTest {

    private static final JsonNode SETUP = PolicyGolden.settings("grpo_setup");
    private static PolicyGolden golden;
    private static int[] lengths;

    @BeforeAll
    static void open() {
        golden = new PolicyGolden("grpo");
        double[] mask = golden.values("completion_mask");
        int rows = golden.values("rewards").length;
        int width = mask.length / rows;
        lengths = new int[rows];
        for (int i = 0; i < mask.length; i++) {
            lengths[i / width] += (int) mask[i];
        }
    }

    @AfterAll
    static void close() {
        golden.close();
    }

    @ParameterizedTest
    @CsvSource({"GROUP,group", "BATCH,batch", "NONE,none", "LEAVE_ONE_OUT,rloo"})
    void advantagesAreTheRecordedOnes(GroupAdvantages kind, String name) {
        double[] advantages =
                kind.of(golden.values("rewards"), SETUP.path("group_size").asInt());
        assertArrayEquals(golden.values("advantages." + name), advantages, PolicyGolden.LOSS);
    }

    @Test
    void aGroupOfEqualRewardsTeachesNothing() {
        assertArrayEquals(
                golden.values("constant_group.advantages"), GroupAdvantages.GROUP.of(new double[] {1, 1, 1, 1}, 4));
    }

    @ParameterizedTest
    @ValueSource(strings = {"grpo", "grpo_beta0", "bnpo", "dr_grpo", "dapo", "gspo", "grpo_on_policy"})
    void lossesAndTheirGradientsAreTheRecordedOnes(String variant) {
        JsonNode settings = PolicyGolden.settings("grpo/" + variant);
        GroupPolicyLoss loss = new GroupPolicyLoss(
                new ClippedPolicyLoss(
                        settings.path("epsilon_low").asDouble(),
                        settings.path("epsilon_high").asDouble()),
                GroupPolicyLoss.Level.valueOf(
                        settings.path("importance_sampling_level").asText().toUpperCase(Locale.ROOT)),
                settings.path("beta").asDouble(),
                KlEstimator.K3);
        double[] weights = LossAggregation.valueOf(
                        settings.path("trl_loss_type").asText().toUpperCase(Locale.ROOT))
                .weights(lengths, SETUP.path("max_completion_length").asInt());
        double[][] now = golden.rows("policy_logps", lengths);
        double[][] drawn = variant.equals("grpo_on_policy") ? now : golden.rows("old_logps", lengths);
        double[][] reference = golden.rows("ref_logps", lengths);
        double[] advantages = golden.values("advantages.group");
        double sum = 0;
        double clipped = 0;
        double divergence = 0;
        double[][] derivatives = new double[lengths.length][];
        for (int row = 0; row < lengths.length; row++) {
            double weight = weights[row];
            GroupPolicyLoss.Value value =
                    loss.of(new GroupPolicyLoss.Answer(now[row], drawn[row], reference[row], advantages[row]));
            sum += value.sum() * weight;
            clipped += value.clippedLow() + value.clippedHigh();
            divergence += value.divergence();
            derivatives[row] = Arrays.stream(value.derivative())
                    .map(derivative -> derivative * weight)
                    .toArray();
        }
        double tokens = Arrays.stream(lengths).sum();
        assertEquals(golden.value(variant + ".loss"), sum, PolicyGolden.LOSS);
        golden.assertRows(variant + ".grad_logps", derivatives, PolicyGolden.GRADIENT);
        JsonNode metrics = settings.path("metrics");
        assertEquals(metrics.path("clip_ratio/region_mean").asDouble(), clipped / tokens, PolicyGolden.LOSS);
        assertEquals(metrics.path("kl").asDouble(), divergence / tokens, PolicyGolden.LOSS);
    }
}
