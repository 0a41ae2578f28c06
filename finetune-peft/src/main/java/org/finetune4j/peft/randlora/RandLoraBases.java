package org.finetune4j.peft.randlora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.SharedPart;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;

/** The frozen random matrices that all layers share, large enough for the largest, as the adapter's file holds them. */
final class RandLoraBases implements SharedPart {

    private static final double SPARSE = 3;

    private final Parameter matrixA;
    private final Parameter matrixB;

    /** Draws A [rank, 1, smaller] and B [larger, products, rank]. */
    RandLoraBases(CausalLM model, RandLora config, long smaller, long larger) {
        try (RandomGenerator.Use use =
                RandomGenerator.of(config.projectionKey()).use()) {
            this.matrixA = drawn(model, config, "randlora_A", smaller, config.rank(), 1, smaller);
            this.matrixB = drawn(model, config, "randlora_B", smaller, larger, config.products(smaller), config.rank());
        }
    }

    private static Parameter drawn(CausalLM model, RandLora config, String name, long smaller, long... shape) {
        Tensor uniform = InitialValues.zeros(Device.CPU, shape).uniformInPlace(0, 1);
        Tensor values =
                switch (config.sparsity()) {
                    case DENSE -> uniform.add(-0.5);
                    case SPARSE -> signs(uniform, SPARSE);
                    case VERY_SPARSE -> signs(uniform, Math.sqrt((double) smaller));
                };
        Tensor centred = values.sub(values.mean());
        double deviation = Math.sqrt(centred.square().sum().item() / Math.max(1, values.numel() - 1));
        return InitialValues.parameter(model, name, values.div(deviation).to(model.device()), false);
    }

    /** One of so many elements is 1 or -1, the others are 0. */
    private static Tensor signs(Tensor uniform, double among) {
        Tensor negative = uniform.lessThan(1 / (2 * among)).to(DType.FLOAT32);
        Tensor positive = uniform.greaterThan(1 - 1 / (2 * among)).to(DType.FLOAT32);
        return positive.sub(negative);
    }

    /** [rank, 1, smaller]. */
    Parameter matrixA() {
        return matrixA;
    }

    /** [larger, products, rank]. */
    Parameter matrixB() {
        return matrixB;
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put("base_model.randlora_A", matrixA);
        parameters.put("base_model.randlora_B", matrixB);
        return parameters;
    }

    @Override
    public void free() {
        matrixA.close();
        matrixB.close();
    }
}
