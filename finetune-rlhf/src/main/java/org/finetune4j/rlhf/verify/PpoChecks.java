package org.finetune4j.rlhf.verify;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import org.finetune4j.UserErrorException;
import org.finetune4j.rlhf.policy.ClippedPolicyLoss;
import org.finetune4j.rlhf.policy.ClippedValueLoss;
import org.finetune4j.rlhf.policy.GeneralizedAdvantage;
import org.finetune4j.rlhf.policy.KlEstimator;
import org.finetune4j.rlhf.policy.PpoLoss;
import org.finetune4j.rlhf.policy.TokenRewards;
import org.finetune4j.rlhf.policy.Whitening;

/** PPO from recorded log-probabilities, values and scores: rewards, advantages, clipped losses, their derivatives. */
final class PpoChecks {

    private static final String PADDING = "invalid_logprob";

    private static final Set<String> KNOWN = Set.of(
            "kl_coef",
            "gamma",
            "lam",
            "cliprange",
            "cliprange_value",
            "vf_coef",
            "pg_loss",
            "vf_loss",
            "loss",
            PADDING);

    private final RecordedTensors file;
    private final JsonNode settings;
    private final Comparison compare;
    private final int[] tokens;
    private final int[] positions;

    PpoChecks(RecordedTensors file, JsonNode settings, Comparison compare) {
        this.file = file;
        this.settings = settings;
        this.compare = compare;
        settings.fieldNames().forEachRemaining(key -> {
            if (!KNOWN.contains(key)) {
                compare.failed("ppo " + key, "this setting is not implemented");
            }
        });
        this.tokens = Arrays.stream(file.values("last_token"))
                .mapToInt(last -> (int) last + 1)
                .toArray();
        int width = Math.toIntExact(file.shape("values")[1]);
        this.positions =
                Arrays.stream(tokens).map(count -> Math.min(width, count + 1)).toArray();
        requireMask("padding_mask", tokens);
        requireMask("padding_mask_p1", positions);
        requirePadding();
    }

    /** The log-probabilities of no token are what the settings say. */
    private void requirePadding() {
        if (!settings.hasNonNull(PADDING)) {
            return;
        }
        double padding = setting(PADDING);
        for (String name : List.of("logprobs", "ref_logprobs", "new_logprobs")) {
            double[][] rows = file.rows(name);
            for (int row = 0; row < rows.length; row++) {
                for (int t = tokens[row]; t < rows[row].length; t++) {
                    if (rows[row][t] != padding) {
                        compare.failed(
                                "ppo " + PADDING,
                                name + " has " + rows[row][t] + " in the padding of row " + row + ", expected "
                                        + padding);
                        return;
                    }
                }
            }
        }
    }

    /** Padding begins where the recorded masks say. */
    private void requireMask(String name, int[] lengths) {
        double[][] mask = file.rows(name);
        for (int row = 0; row < mask.length; row++) {
            for (int t = 0; t < mask[row].length; t++) {
                if (mask[row][t] != (t < lengths[row] ? 0 : 1)) {
                    throw new UserErrorException(name + " does not follow from last_token, row " + row);
                }
            }
        }
    }

    private double setting(String name) {
        JsonNode value = settings.path(name);
        if (!value.isNumber()) {
            throw new UserErrorException("golden.json has no number '" + name + "' for ppo");
        }
        return value.asDouble();
    }

    void check() {
        Set<String> estimators = new TreeSet<>();
        for (String name : file.names()) {
            int dot = name.indexOf('.');
            if (dot > 0 && !name.startsWith("grad.")) {
                estimators.add(name.substring(0, dot));
            }
        }
        estimators.forEach(estimator -> compare.attempt("ppo/" + estimator, () -> rewards(estimator)));
        compare.attempt("ppo/loss", this::losses);
    }

    private static KlEstimator estimator(String name) {
        return Arrays.stream(KlEstimator.values())
                .filter(known -> known.name().toLowerCase(Locale.ROOT).equals(name))
                .findFirst()
                .orElseThrow(() -> new UserErrorException("this estimator of the divergence is not implemented"));
    }

    private void rewards(String name) {
        double[][] rewards = rewards(estimator(name));
        double[][] raw = advantages(rewards);
        double[][] values = cut("values", positions);
        double[][] returns = new double[tokens.length][];
        Arrays.setAll(returns, row -> GeneralizedAdvantage.returns(raw[row], values[row]));
        compare(name + ".kl", kl(estimator(name)));
        compare(name + ".rewards", rewards);
        compare(name + ".advantages_raw", raw);
        compare(name + ".returns", returns);
        compare(name + ".advantages", Whitening.of(RecordedTensors.cut("values", raw, tokens)));
        compare(name + ".rewards_whitened", Whitening.keepingMean(rewards));
    }

    private void compare(String name, double[][] actual) {
        compare.attempt("ppo/" + name, () -> compare.rows("ppo/" + name, actual, file.rows(name), Comparison.LOSS));
    }

    private double[][] kl(KlEstimator estimator) {
        double[][] policy = cut("logprobs", tokens);
        double[][] reference = cut("ref_logprobs", tokens);
        double[][] kl = new double[tokens.length][];
        Arrays.setAll(kl, row -> estimator.of(policy[row], reference[row]));
        return kl;
    }

    private double[][] rewards(KlEstimator estimator) {
        double[][] kl = kl(estimator);
        double[] scores = file.values("scores");
        double[][] rewards = new double[tokens.length][];
        Arrays.setAll(rewards, row -> TokenRewards.of(kl[row], setting("kl_coef"), scores[row], positions[row]));
        return rewards;
    }

    private double[][] advantages(double[][] rewards) {
        double[][] values = cut("values", positions);
        GeneralizedAdvantage gae = new GeneralizedAdvantage(setting("gamma"), setting("lam"));
        double[][] advantages = new double[tokens.length][];
        Arrays.setAll(advantages, row -> gae.advantages(rewards[row], values[row]));
        return advantages;
    }

    private double[][] cut(String name, int[] lengths) {
        return RecordedTensors.cut(name, file.rows(name), lengths);
    }

    /** The losses are with the first estimator. */
    private void losses() {
        double[][] raw = advantages(rewards(KlEstimator.K1));
        double[][] whitened = Whitening.of(RecordedTensors.cut("values", raw, tokens));
        double[][] now = cut("new_logprobs", tokens);
        double[][] drawn = cut("logprobs", tokens);
        double[][] estimates = cut("vpred", positions);
        double[][] before = cut("values", positions);
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
        PpoLoss.Value value = new PpoLoss(
                        ClippedPolicyLoss.of(setting("cliprange")),
                        new ClippedValueLoss(setting("cliprange_value")),
                        setting("vf_coef"))
                .of(answers);
        loss("pg_loss", value.policyLoss());
        loss("vf_loss", value.valueLoss());
        loss("loss", value.loss());
        number(
                "pg_clipfrac",
                value.clippedTokens() / (double) Arrays.stream(tokens).sum());
        number(
                "vf_clipfrac",
                value.clippedPositions() / (double) Arrays.stream(positions).sum());
        gradient("grad.new_logprobs", value.logprobDerivatives());
        gradient("grad.vpred", value.estimateDerivatives());
    }

    private void loss(String name, double actual) {
        number(name, actual);
        compare.number("ppo " + name, settings.path(name), () -> actual);
    }

    private void number(String name, double actual) {
        compare.attempt(
                "ppo/" + name,
                () -> compare.values("ppo/" + name, new double[] {actual}, file.values(name), Comparison.LOSS));
    }

    private void gradient(String name, double[][] actual) {
        compare.attempt("ppo/" + name, () -> compare.rows("ppo/" + name, actual, file.rows(name), Comparison.GRADIENT));
    }
}
