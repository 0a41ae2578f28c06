package org.finetune4j.rlhf.verify;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.finetune4j.model.CausalLM;
import org.finetune4j.tensor.DType;

/** A reward model's judgement of the recorded rows, its losses and their derivatives. */
final class RewardChecks {

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

    void check(JsonNode cases) {
        compare.attempt("reward/rewards", () -> {
            double[] own = model.logits(rows.batch(row -> false, Map.of()).modelInputs())
                    .to(DType.FLOAT64)
                    .reshape(-1)
                    .toDoubleArray();
            compare.values(
                    "reward/rewards",
                    own,
                    file.values("rewards"),
                    compare.tolerances().logits());
            double[] listed = StreamSupport.stream(cases.path("reward_rewards").spliterator(), false)
                    .mapToDouble(JsonNode::asDouble)
                    .toArray();
            compare.values("reward_rewards", own, listed, compare.tolerances().logits());
        });
    }
}
