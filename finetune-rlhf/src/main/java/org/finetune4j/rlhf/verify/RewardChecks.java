package org.finetune4j.rlhf.verify;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.Set;
import java.util.stream.StreamSupport;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.Pooling;
import org.finetune4j.rlhf.reward.BradleyTerry;
import org.finetune4j.tensor.DType;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;

/** A reward model's judgement of the recorded rows, its losses and their derivatives. */
final class RewardChecks {

    private static final String PREFIX = "reward_";

    /** The rewards once more, in {@code golden.json}. */
    private static final String LISTED = "reward_rewards";

    private static final Set<String> KNOWN = Set.of("loss", "center_rewards_coefficient");

    private final CausalLM model;
    private final RecordedPairs rows;
    private final RecordedTensors file;
    private final ParameterGradients gradients;
    private final Comparison compare;

    RewardChecks(
            CausalLM model,
            RecordedPairs rows,
            RecordedTensors file,
            ParameterGradients gradients,
            Comparison compare) {
        this.model = model;
        this.rows = rows;
        this.file = file;
        this.gradients = gradients;
        this.compare = compare;
    }

    /** Checks the judgement of each row, and the cases whose names begin with {@value #PREFIX}. */
    void check(JsonNode cases) {
        compare.attempt("reward/rewards", () -> {
            double[] own = model.logits(rows.batch(row -> false, Map.of()).modelInputs())
                    .to(DType.FLOAT64)
                    .reshape(-1)
                    .toDoubleArray();
            double limit = compare.tolerances().logits();
            compare.values("reward/rewards", own, file.values("rewards"), limit);
            if (cases.has(LISTED)) {
                double[] listed = StreamSupport.stream(cases.path(LISTED).spliterator(), false)
                        .mapToDouble(JsonNode::asDouble)
                        .toArray();
                compare.values(LISTED, own, listed, limit);
            }
        });
        cases.properties().forEach(entry -> {
            String name = entry.getKey();
            if (name.startsWith(PREFIX) && !name.equals(LISTED)) {
                compare.attempt(name, () -> loss(name.substring(PREFIX.length()), entry.getValue()));
            }
        });
    }

    private Pooling pooling() {
        Pooling pooling = model.network().pooling();
        if (pooling == null) {
            throw new UserErrorException("the model in reward judges no sequences");
        }
        return pooling;
    }

    private void loss(String name, JsonNode settings) {
        settings.fieldNames().forEachRemaining(key -> {
            if (!KNOWN.contains(key)) {
                compare.failed("reward/" + name + " " + key, "this setting is not implemented");
            }
        });
        JsonNode centering = settings.path("center_rewards_coefficient");
        if (settings.hasNonNull("center_rewards_coefficient") && !centering.isNumber()) {
            throw new UserErrorException("'center_rewards_coefficient' is " + centering + ", expected a number");
        }
        BradleyTerry objective = new BradleyTerry(centering.asDouble(0));
        Batch batch = rows.judged(pooling(), name.contains("margin") ? file.values("margin") : null);
        double loss = new Backpropagation(model, GradientCheckpointing.none())
                .evaluate(batch.modelInputs(), objective.head(model.network(), batch, 1.0 / objective.count(batch)));
        compare.attempt(
                "reward/" + name + ".loss",
                () -> compare.values(
                        "reward/" + name + ".loss", new double[] {loss}, file.values(name + ".loss"), Comparison.LOSS));
        compare.number(PREFIX + name + " loss", settings.path("loss"), () -> loss);
        gradients.check(file, name + ".grad.", false, model, batch, objective);
    }
}
