package org.finetune4j.peft.vera;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.SharedPart;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;

/**
 * The two frozen random matrices that all layers share, large enough for the largest. PyTorch's generator draws them from
 * the key, so that an adapter need not carry them.
 */
final class VeraProjection implements SharedPart {

    private final Parameter matrixA;
    private final Parameter matrixB;
    private final boolean saved;

    /** Draws A [rank, in] and B [out, rank] for the largest {@code in} and {@code out}. */
    VeraProjection(CausalLM model, Vera config, long largestIn, long largestOut) {
        try (RandomGenerator.Use use =
                RandomGenerator.of(config.projectionKey()).use()) {
            this.matrixA = InitialValues.parameter(
                    model, "vera_A", kaiming(config.rank(), largestIn).to(model.device()), false);
            this.matrixB = InitialValues.parameter(
                    model, "vera_B", kaiming(largestOut, config.rank()).to(model.device()), false);
        }
        this.saved = config.saveProjection();
    }

    /** {@code kaiming_uniform_} with the gain of ReLU, on the CPU whatever the model's device, as in PEFT. */
    private static Tensor kaiming(long rows, long columns) {
        double bound = Math.sqrt(3) * Math.sqrt(2) / Math.sqrt((double) columns);
        return InitialValues.zeros(Device.CPU, rows, columns).uniformInPlace(-bound, bound);
    }

    /** [rank, largest in]. */
    Parameter matrixA() {
        return matrixA;
    }

    /** [largest out, rank]. */
    Parameter matrixB() {
        return matrixB;
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        if (saved) {
            parameters.put("base_model.vera_A", matrixA);
            parameters.put("base_model.vera_B", matrixB);
        }
        return parameters;
    }

    @Override
    public void free() {
        matrixA.close();
        matrixB.close();
    }
}
