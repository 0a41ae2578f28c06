package org.finetune4j.rlhf.verify;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.verify.Check;

/**
 * The gradients of a model's parameters.
 *
 * @param compare is told
 * @param zero names of parameters whose gradient is zero but for rounding
 */
record ParameterGradients(Comparison compare, Set<String> zero) {

    /**
     * Runs a batch forwards and backwards.
     *
     * @param prefix before the parameters' names in the file
     * @param whole whether every gradient is recorded, so that one that is missing is a mismatch
     */
    void check(RecordedTensors file, String prefix, boolean whole, CausalLM model, Batch batch, Objective objective) {
        List<String> names =
                file.names().stream().filter(name -> name.startsWith(prefix)).toList();
        if (names.isEmpty()) {
            return;
        }
        compare.attempt(prefix + "*", () -> {
            Map<String, Parameter> parameters = model.network().namedParameters();
            try (AttachedStrategy full = new FullFineTuning().attach(model)) {
                parameters.values().forEach(Parameter::clearGrad);
                new Backpropagation(model, GradientCheckpointing.none())
                        .withoutDropout()
                        .run(batch.modelInputs(), objective.head(model.network(), batch, 1.0 / objective.count(batch)));
                Set<String> compared = new HashSet<>();
                for (String name : names) {
                    String parameter = name.substring(prefix.length());
                    compared.add(parameter);
                    compare.attempt(name, () -> {
                        Tensor expected = file.tensor(name);
                        Parameter own = parameters.get(parameter);
                        if (own == null) {
                            compare.failed(name, "there is no such parameter");
                            return;
                        }
                        Tensor gradient = own.grad();
                        Tensor actual = gradient == null
                                ? Tensors.zeros(expected.dtype(), expected.device(), expected.shape())
                                : gradient;
                        compare.gradient(name, actual, expected, zero.contains(parameter));
                    });
                }
                if (whole) {
                    parameters.forEach((name, parameter) -> {
                        if (parameter.grad() != null && !compared.contains(name)) {
                            compare.sink().accept(Check.failed(prefix + name, "there is no such gradient in the file"));
                        }
                    });
                }
                parameters.values().forEach(Parameter::clearGrad);
            }
        });
    }
}
