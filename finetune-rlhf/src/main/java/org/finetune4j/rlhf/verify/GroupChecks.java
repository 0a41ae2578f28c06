package org.finetune4j.rlhf.verify;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.rlhf.policy.ClippedPolicyLoss;
import org.finetune4j.rlhf.policy.GroupAdvantages;
import org.finetune4j.rlhf.policy.GroupPolicyLoss;
import org.finetune4j.rlhf.policy.KlEstimator;
import org.finetune4j.rlhf.policy.LossAggregation;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The group methods: log-probabilities of recorded answers, advantages, losses with their derivatives and metrics. */
final class GroupChecks {

    private static final Map<String, GroupAdvantages> ADVANTAGES = Map.of(
            "group", GroupAdvantages.GROUP,
            "batch", GroupAdvantages.BATCH,
            "none", GroupAdvantages.NONE,
            "rloo", GroupAdvantages.LEAVE_ONE_OUT);

    private static final Set<String> KNOWN = Set.of(
            "loss", "metrics", "beta", "epsilon_low", "epsilon_high", "importance_sampling_level", "trl_loss_type");

    private final PolicyAndReference models;
    private final RecordedTensors file;
    private final JsonNode setup;
    private final Comparison compare;
    private final int[] lengths;

    GroupChecks(PolicyAndReference models, RecordedTensors file, JsonNode setup, Comparison compare) {
        this.models = models;
        this.file = file;
        this.setup = setup;
        this.compare = compare;
        this.lengths = Arrays.stream(file.integers("completion_mask"))
                .mapToInt(row -> Arrays.stream(row).sum())
                .toArray();
    }

    private static double number(JsonNode settings, String name) {
        JsonNode value = settings.path(name);
        if (!value.isNumber()) {
            throw new UserErrorException("golden.json has no number '" + name + "'");
        }
        return value.asDouble();
    }

    /** What the models give the answers, and the advantages of the rewards. */
    void checkInputs() {
        if (setup.hasNonNull("groups")) {
            compare.attempt("grpo_setup groups", this::requireGroups);
        }
        compare.attempt("grpo/policy_logps", () -> logprobs("policy_logps", "entropies", models.policy()));
        compare.attempt("grpo/ref_logps", () -> logprobs("ref_logps", null, models.reference()));
        for (String name : file.names()) {
            if (name.startsWith("advantages.")) {
                GroupAdvantages kind = ADVANTAGES.get(name.substring("advantages.".length()));
                compare.attempt("grpo/" + name, () -> {
                    if (kind == null) {
                        throw new UserErrorException("this kind of advantages is not implemented");
                    }
                    double[] own = kind.of(file.values("rewards"), (int) number(setup, "group_size"));
                    compare.values("grpo/" + name, own, file.values(name), Comparison.LOSS);
                });
            }
        }
        if (file.has("constant_group.advantages")) {
            String name = "constant_group.advantages";
            compare.attempt("grpo/" + name, () -> {
                double[] expected = file.values(name);
                double[] equal = new double[expected.length];
                Arrays.fill(equal, 1);
                compare.values(
                        "grpo/" + name, GroupAdvantages.GROUP.of(equal, equal.length), expected, Comparison.LOSS);
            });
        }
    }

    /** The recorded rewards are those of as many groups as the settings say. */
    private void requireGroups() {
        double answers = number(setup, "groups") * number(setup, "group_size");
        int rewards = file.values("rewards").length;
        if (answers != rewards) {
            throw new UserErrorException(rewards + " rewards are recorded, expected " + setup.path("groups")
                    + " groups of " + setup.path("group_size"));
        }
    }

    private void logprobs(String name, @Nullable String entropies, CausalLM model) {
        int[][] prompts = file.integers("prompt_ids");
        int[][] answers = file.integers("completion_ids");
        int[][] promptMask = file.integers("prompt_mask");
        int[][] answerMask = file.integers("completion_mask");
        int start = prompts[0].length;
        int length = start + answers[0].length;
        int[] ids = new int[prompts.length * length];
        byte[] mask = new byte[ids.length];
        int[] positions = new int[ids.length];
        for (int at = 0; at < ids.length; at++) {
            int row = at / length;
            int t = at % length;
            ids[at] = t < start ? prompts[row][t] : answers[row][t - start];
            mask[at] = (byte) (t < start ? promptMask[row][t] : answerMask[row][t - start]);
            positions[at] = t;
        }
        // TRL counts positions through the padding; OPT takes them from the mask.
        boolean fromMask = PolicyAndReference.positionsFollowFromMask(model);
        ModelInputs inputs = new ModelInputs(prompts.length, length, ids, mask, fromMask ? null : positions);
        Tensor logits = PolicyAndReference.logits(model, inputs);
        double[][] all = PolicyAndReference.logprobs(logits, inputs);
        double[][] own = new double[all.length][];
        Arrays.setAll(own, row -> Arrays.copyOfRange(all[row], start, length));
        double limit = compare.tolerances().logits();
        compareTokens("grpo/" + name, own, file.rows(name), limit);
        if (entropies != null && file.has(entropies)) {
            Tensor logprobs = Functional.logSoftmax(logits.narrow(1, start - 1, answers[0].length), -1);
            double[] flat = logprobs.exp()
                    .mul(logprobs)
                    .sum(-1, false)
                    .neg()
                    .to(DType.FLOAT64)
                    .contiguous()
                    .toDoubleArray();
            double[][] rows = new double[answers.length][];
            Arrays.setAll(
                    rows, row -> Arrays.copyOfRange(flat, row * answers[0].length, (row + 1) * answers[0].length));
            compareTokens("grpo/" + entropies, rows, file.rows(entropies), limit);
        }
    }

    /** Compares what belongs to an answer's own tokens. */
    private void compareTokens(String name, double[][] actual, double[][] expected, double limit) {
        int width = expected[0].length;
        compare.values(
                name,
                Arrays.stream(actual).flatMapToDouble(Arrays::stream).toArray(),
                Arrays.stream(expected).flatMapToDouble(Arrays::stream).toArray(),
                limit,
                i -> i % width < lengths[i / width]);
    }

    /** Checks one variant of the loss. */
    void check(String variant, JsonNode settings) {
        settings.fieldNames().forEachRemaining(key -> {
            if (!KNOWN.contains(key) && !settings.get(key).isNull()) {
                compare.failed("grpo/" + variant + " " + key, "this setting is not implemented");
            }
        });
        compare.attempt("grpo/" + variant, () -> loss(variant, settings));
    }

    private void loss(String variant, JsonNode settings) {
        GroupPolicyLoss loss = new GroupPolicyLoss(
                new ClippedPolicyLoss(number(settings, "epsilon_low"), number(settings, "epsilon_high")),
                constant(GroupPolicyLoss.Level.values(), settings, "importance_sampling_level"),
                number(settings, "beta"),
                KlEstimator.K3);
        double[] weights = weights(constant(LossAggregation.values(), settings, "trl_loss_type"));
        double[][] now = cut("policy_logps");
        double[][] drawn = variant.contains("on_policy") ? now : cut("old_logps");
        double[][] reference = cut("ref_logps");
        double[] advantages = file.values("advantages.group");
        double sum = 0;
        double divergence = 0;
        double low = 0;
        double high = 0;
        double lowest = Double.POSITIVE_INFINITY;
        double highest = 0;
        double[][] derivatives = new double[lengths.length][];
        for (int row = 0; row < lengths.length; row++) {
            double weight = weights[row];
            GroupPolicyLoss.Value value =
                    loss.of(new GroupPolicyLoss.Answer(now[row], drawn[row], reference[row], advantages[row]));
            sum += value.sum() * weight;
            divergence += value.divergence();
            low += loss.clipped(value.clippedLow());
            high += loss.clipped(value.clippedHigh());
            lowest = Math.min(lowest, value.clippedLow() / (double) Math.max(1, lengths[row]));
            highest = Math.max(highest, value.clippedHigh() / (double) Math.max(1, lengths[row]));
            derivatives[row] = Arrays.stream(value.derivative())
                    .map(derivative -> derivative * weight)
                    .toArray();
        }
        double total = sum;
        double tokens = Arrays.stream(lengths).sum();
        Map<String, Double> metrics = new HashMap<>();
        metrics.put("kl", divergence / tokens);
        double ratios = loss.ratios(lengths);
        metrics.put("clip_ratio/low_mean", low / ratios);
        metrics.put("clip_ratio/high_mean", high / ratios);
        metrics.put("clip_ratio/region_mean", (low + high) / ratios);
        metrics.put("clip_ratio/low_min", lowest);
        metrics.put("clip_ratio/high_max", highest);
        if (file.has("entropies")) {
            metrics.put(
                    "entropy",
                    Arrays.stream(cut("entropies"))
                                    .flatMapToDouble(Arrays::stream)
                                    .sum()
                            / tokens);
        }
        String name = "grpo/" + variant;
        compare.attempt(
                name + ".loss",
                () -> compare.values(
                        name + ".loss", new double[] {total}, file.values(variant + ".loss"), Comparison.LOSS));
        compare.number(name + " loss", settings.path("loss"), () -> total);
        compare.attempt(
                name + ".grad_logps",
                () -> compare.rows(
                        name + ".grad_logps", derivatives, file.rows(variant + ".grad_logps"), Comparison.GRADIENT));
        settings.path("metrics").properties().forEach(metric -> {
            compare.number(name + " " + metric.getKey(), metric.getValue(), () -> {
                Double value = metrics.get(metric.getKey());
                if (value == null) {
                    throw new UserErrorException("this quantity is not implemented");
                }
                return value;
            });
        });
    }

    /** What is a mean over the tokens of a whole step is divided by the recorded number of them. */
    private double[] weights(LossAggregation aggregation) {
        if (aggregation == LossAggregation.DAPO) {
            double[] weights = new double[lengths.length];
            Arrays.fill(weights, 1 / number(setup, "num_items_in_batch"));
            return weights;
        }
        return aggregation.weights(lengths, (int) number(setup, "max_completion_length"));
    }

    private double[][] cut(String name) {
        return RecordedTensors.cut(name, file.rows(name), lengths);
    }

    private static <E extends Enum<E>> E constant(E[] values, JsonNode settings, String key) {
        String name = settings.path(key).asText().toUpperCase(Locale.ROOT);
        return Arrays.stream(values)
                .filter(value -> value.name().equals(name))
                .findFirst()
                .orElseThrow(() ->
                        new UserErrorException(key + " '" + settings.path(key).asText() + "' is not implemented"));
    }
}
