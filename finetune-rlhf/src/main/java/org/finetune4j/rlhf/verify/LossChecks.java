package org.finetune4j.rlhf.verify;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.rlhf.preference.PairObjective;
import org.finetune4j.rlhf.preference.PreferenceColumns;
import org.finetune4j.rlhf.preference.UnpairedObjective;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.LogprobLoss;
import org.finetune4j.train.gradient.TokenLogprobs;
import org.finetune4j.train.objective.TokenObjective;

/** The losses of preferences on the recorded rows, what each reports, and their derivatives. */
final class LossChecks {

    private static final String POLICY_LOGITS = "policy.logits";

    /** About three of float32's last digits of a sum. */
    private static final double SUM_ROUNDING = 2e-7;

    private final PolicyAndReference models;
    private final RecordedPairs rows;
    private final RecordedTensors file;
    private final RecordedTensors logprobs;
    private final ParameterGradients gradients;
    private final Comparison compare;
    private final double[] reference;

    /** @param logprobs the file with the recorded scores, which means of whole rows have their padding from */
    LossChecks(
            PolicyAndReference models,
            RecordedPairs rows,
            RecordedTensors file,
            RecordedTensors logprobs,
            ParameterGradients gradients,
            Comparison compare) {
        this.models = models;
        this.rows = rows;
        this.file = file;
        this.logprobs = logprobs;
        this.gradients = gradients;
        this.compare = compare;
        this.reference = PolicyAndReference.sums(models.reference(), rows);
    }

    /** Checks one case of {@code golden.json} with all its tensors. */
    void check(String name, JsonNode settings) {
        PreferenceCase recorded = new PreferenceCase(name, settings);
        compare.attempt(name, () -> {
            recorded.requireKnownSettings();
            if (recorded.isUnpaired()) {
                unpaired(recorded);
            } else {
                paired(recorded);
            }
        });
    }

    private void paired(PreferenceCase recorded) {
        PairObjective objective = recorded.paired();
        double tail = objective.tailWeight();
        double[] sums = tail == 1 ? reference : rows.weightedSums(models.reference(), tail);
        Batch batch = rows.pairs(objective.labelsPrompts(), sums, tail);
        TokenLogprobs own = TokenLogprobs.of(models.policy(), batch, objective.readsCollisions());
        int[] order = new int[rows.rows()];
        Arrays.setAll(order, row -> row < rows.pairs() ? 2 * row : 2 * (row - rows.pairs()) + 1);
        Reported reported = check(recorded, objective, batch, own, order);
        recorded.settings().path("metrics").properties().forEach(metric -> {
            String name = recorded.name() + " " + metric.getKey();
            compare.number(
                    name,
                    metric.getValue(),
                    Comparison.LOSS + reported.rounding(metric.getKey()),
                    () -> metric(recorded, metric.getKey(), reported));
        });
    }

    private double metric(PreferenceCase recorded, String name, Reported reported) {
        // ORPO leaves the last position of the rows out.
        int columns = rows.length() - (PreferenceCase.method(recorded.name()).equals("orpo") ? 1 : 0);
        if (name.equals("logits/chosen")) {
            return meanScore(0, columns);
        }
        if (name.equals("logits/rejected")) {
            return meanScore(rows.pairs(), columns);
        }
        return name.equals("nll_loss") ? reported.means().getOrDefault(name, 0.0) : reported.value(name);
    }

    /** The mean over the scores of all tokens of half of the rows; what padding is given means nothing and is as recorded. */
    private double meanScore(int firstRow, int columns) {
        try (TensorScope scope = TensorScope.open()) {
            Batch batch = rows.batch(row -> false, Map.of());
            Tensor own = PolicyAndReference.logits(models.policy(), batch.modelInputs());
            Tensor recorded = logprobs.tensor(POLICY_LOGITS).to(own.device());
            Tensor real = Tensors.of(batch.attentionMask(), rows.rows(), rows.length(), 1)
                    .to(DType.FLOAT32)
                    .to(own.device());
            Tensor all = own.mul(real).add(recorded.mul(real.neg().add(1)));
            return all.narrow(0, firstRow, rows.pairs())
                    .narrow(1, 0, columns)
                    .to(DType.FLOAT64)
                    .mean()
                    .item();
        }
    }

    private void unpaired(PreferenceCase recorded) {
        UnpairedObjective objective = recorded.unpaired();
        String prefix = "kto." + recorded.settings().path("kl_rows").asText() + ".KL_";
        boolean reads = objective.readsOtherAnswers() || recorded.settings().hasNonNull("kl_rows");
        RecordedPairs others = reads ? RecordedPairs.of(file, prefix, models.policy()) : rows;
        RecordedPairs all = rows.interleaved(others);
        double[] referenceOfOthers = PolicyAndReference.sums(models.reference(), others);
        double[] desirable = file.values("kto.label");
        if (desirable.length != rows.rows()) {
            throw new UserErrorException("kto.label has " + desirable.length + " numbers for " + rows.rows() + " rows");
        }
        float[][] counts = new float[all.rows()][1];
        float[][] sums = new float[all.rows()][1];
        float[][] judged = new float[all.rows()][0];
        int[] order = new int[rows.rows()];
        for (int row = 0; row < rows.rows(); row++) {
            counts[2 * row][0] = all.answerTokens(2 * row);
            counts[2 * row + 1][0] = all.answerTokens(2 * row + 1);
            sums[2 * row][0] = (float) reference[row];
            sums[2 * row + 1][0] = (float) referenceOfOthers[row];
            judged[2 * row] = new float[] {(float) desirable[row]};
            order[row] = 2 * row;
        }
        Batch batch = all.batch(
                row -> false,
                Map.of(
                        PreferenceColumns.ANSWER_TOKENS,
                        counts,
                        PreferenceColumns.REFERENCE,
                        sums,
                        PreferenceColumns.DESIRABLE,
                        judged));
        TokenLogprobs own = TokenLogprobs.of(models.policy(), batch);
        Reported reported = check(recorded, objective, batch, own, order);
        if (recorded.settings().has("kl")) {
            unpaired(recorded, reported, "kl", recorded.settings().path("kl"));
        }
        recorded.settings()
                .path("metrics")
                .properties()
                .forEach(metric -> unpaired(recorded, reported, metric.getKey(), metric.getValue()));
    }

    private void unpaired(PreferenceCase recorded, Reported reported, String name, JsonNode value) {
        compare.number(
                recorded.name() + " " + name,
                value,
                Comparison.LOSS + reported.rounding(name),
                () -> reported.value(name));
    }

    /**
     * What an objective reports besides.
     *
     * @param means by name
     * @param moved the same where the reference's sums are rounded otherwise
     */
    private record Reported(Map<String, Double> means, List<Map<String, Double>> moved) {

        double value(String name) {
            Double value = means.get(name);
            if (value == null) {
                throw new UserErrorException("this quantity is not implemented");
            }
            return value;
        }

        /** How much rounding changes it. */
        double rounding(String name) {
            Double value = means.get(name);
            return value == null
                    ? 0
                    : moved.stream()
                            .mapToDouble(other -> Math.abs(other.getOrDefault(name, value) - value))
                            .max()
                            .orElse(0);
        }
    }

    /**
     * @param order where in the batch each recorded row is
     * @return what the objective reports besides
     */
    private Reported check(
            PreferenceCase recorded, TokenObjective objective, Batch batch, TokenLogprobs own, int[] order) {
        String name = recorded.name();
        LogprobLoss.Value value = objective.loss(batch, own);
        double pairs = objective.count(batch);
        double loss = value.loss() / pairs;
        List<LogprobLoss.Value> moved = moved(objective, batch, own);
        double[] rounding = rounding(value, moved, pairs);
        compare.attempt(
                name + ".loss",
                () -> compare.values(
                        name + ".loss",
                        new double[] {loss},
                        file.values(name + ".loss"),
                        Comparison.LOSS + rounding[0]));
        compare.number(name + " loss", recorded.settings().path("loss"), Comparison.LOSS + rounding[0], () -> loss);
        compare.attempt(name + ".grad_logits", () -> {
            double[] derivative =
                    Arrays.stream(value.derivative()).map(d -> d / pairs).toArray();
            Tensor logits = PolicyAndReference.logits(models.policy(), batch.modelInputs());
            Tensor index = Tensors.of(order, order.length).to(DType.INT64).to(logits.device());
            Tensor actual = PolicyAndReference.scoreGradient(logits, batch, derivative)
                    .indexSelect(0, index)
                    .narrow(1, 0, rows.length());
            compare.values(
                    name + ".grad_logits",
                    actual.contiguous().to(DType.FLOAT64).toDoubleArray(),
                    file.values(name + ".grad_logits"),
                    Comparison.GRADIENT + rounding[1]);
        });
        gradients.check(file, name + ".grad.", true, models.policy(), batch, objective);
        return new Reported(
                Average.means(value.metrics()),
                moved.stream().map(other -> Average.means(other.metrics())).toList());
    }

    /**
     * The loss where the reference's sums are others by some of float32's last digits: exponentials and squares of log-ratios carry on
     * what sums over many tokens are rounded by, on either side.
     */
    private static List<LogprobLoss.Value> moved(TokenObjective objective, Batch batch, TokenLogprobs own) {
        List<LogprobLoss.Value> all = new ArrayList<>();
        for (int sign : new int[] {1, -1}) {
            float[][] moved = batch.column(PreferenceColumns.REFERENCE).clone();
            for (int row = 0; row < moved.length; row++) {
                double change = 1 + SUM_ROUNDING * (row % 2 == 0 ? 1 : sign);
                moved[row] = moved[row].clone();
                for (int i = 0; i < moved[row].length; i++) {
                    moved[row][i] = (float) (moved[row][i] * change);
                }
            }
            Map<String, float[][]> columns = new HashMap<>(batch.columns());
            columns.put(PreferenceColumns.REFERENCE, moved);
            all.add(objective.loss(batch.withColumns(columns), own));
        }
        return all;
    }

    /** How much the loss and its derivative change by that. */
    private static double[] rounding(LogprobLoss.Value value, List<LogprobLoss.Value> moved, double pairs) {
        double[] most = new double[2];
        for (LogprobLoss.Value other : moved) {
            most[0] = Math.max(most[0], Math.abs(other.loss() - value.loss()) / pairs);
            for (int token = 0; token < value.derivative().length; token++) {
                double difference = Math.abs(other.derivative()[token] - value.derivative()[token]);
                most[1] = Math.max(most[1], difference / pairs);
            }
        }
        return most;
    }

    /** What the file holds besides the cases: the log-ratios of the pairs as differences and as rewards. */
    void checkRatios(JsonNode cases) {
        double[] policy = PolicyAndReference.sums(models.policy(), rows);
        double[] ratios = new double[rows.rows()];
        Arrays.setAll(ratios, row -> policy[row] - reference[row]);
        // A ratio carries on what both sums are rounded by.
        double rounding = SUM_ROUNDING
                * (Arrays.stream(policy).map(Math::abs).max().orElse(0)
                        + Arrays.stream(reference).map(Math::abs).max().orElse(0));
        double[] chosen = Arrays.copyOf(ratios, rows.pairs());
        double[] rejected = Arrays.copyOfRange(ratios, rows.pairs(), rows.rows());
        if (file.has("delta")) {
            double[] delta = new double[rows.pairs()];
            Arrays.setAll(delta, pair -> chosen[pair] - rejected[pair]);
            compare.attempt(
                    "delta",
                    () -> compare.values("delta", delta, file.values("delta"), Comparison.LOSS + 2 * rounding));
        }
        rewards("dpo.chosen_rewards", chosen, rounding, cases);
        rewards("dpo.rejected_rewards", rejected, rounding, cases);
    }

    private void rewards(String name, double[] ratios, double rounding, JsonNode cases) {
        if (file.has(name)) {
            compare.attempt(name, () -> {
                double beta = cases.path("dpo_sigmoid").path("beta").asDouble(Double.NaN);
                double[] rewards =
                        Arrays.stream(ratios).map(ratio -> beta * ratio).toArray();
                compare.values(name, rewards, file.values(name), Comparison.LOSS + beta * rounding);
            });
        }
    }
}
