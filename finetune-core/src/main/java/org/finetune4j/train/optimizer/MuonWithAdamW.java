package org.finetune4j.train.optimizer;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.train.offload.StateMemory;

/** {@link Muon} for the matrices inside a model, {@link AdamW} for embeddings, the output layer, norms and biases. */
public final class MuonWithAdamW implements Optimizer {

    private final Map<String, Optimizer> parts = new LinkedHashMap<>();

    private MuonWithAdamW(Optimizer muon, Optimizer adamW) {
        parts.put("muon.", muon);
        parts.put("adamw.", adamW);
    }

    @Override
    public void step(double learningRate) {
        parts.values().forEach(part -> part.step(learningRate));
    }

    @Override
    public boolean stepsInParts() {
        return parts.values().stream().allMatch(Optimizer::stepsInParts);
    }

    @Override
    public OpenStep openStep(double learningRate) {
        List<OpenStep> open =
                parts.values().stream().map(part -> part.openStep(learningRate)).toList();
        return parameters -> open.forEach(part -> part.update(parameters));
    }

    @Override
    public void keepStatesIn(StateMemory memory) {
        parts.values().forEach(part -> part.keepStatesIn(memory));
    }

    @Override
    public void clearGradients() {
        parts.values().forEach(Optimizer::clearGradients);
    }

    @Override
    public Map<String, Tensor> state() {
        Map<String, Tensor> all = new LinkedHashMap<>();
        parts.forEach((prefix, part) -> part.state().forEach((name, tensor) -> all.put(prefix + name, tensor)));
        return all;
    }

    @Override
    public void restore(Map<String, Tensor> state) {
        parts.forEach((prefix, part) -> {
            Map<String, Tensor> own = new LinkedHashMap<>();
            state.forEach((name, tensor) -> {
                if (name.startsWith(prefix)) {
                    own.put(name.substring(prefix.length()), tensor);
                }
            });
            part.restore(own);
        });
    }

    @Override
    public void close() {
        parts.values().forEach(Optimizer::close);
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        @Override
        public List<String> names() {
            return List.of("muon");
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(Set.of("momentum", "nesterov", "match_adamw"));
            List<ParameterGroup> matrices = new ArrayList<>();
            List<ParameterGroup> others = new ArrayList<>();
            for (ParameterGroup group : groups) {
                ParameterGroup ofMatrices = part(group, tables, true);
                ofMatrices.parameters().forEach(Provider::requireWhole);
                matrices.add(ofMatrices);
                others.add(part(group, tables, false));
            }
            return new MuonWithAdamW(
                    new Muon(
                            matrices,
                            options.number("momentum", 0.95),
                            options.flag("nesterov", true),
                            options.flag("match_adamw", true)),
                    new AdamW(others, options.beta1(), options.beta2(), options.epsilon()));
        }

        private static void requireWhole(Parameter matrix) {
            if (matrix.local().shape().length != 2) {
                throw new UserErrorException(
                        "optim muon moves whole matrices, but '" + matrix.name() + "' is sharded: choose adamw");
            }
        }

        private static ParameterGroup part(ParameterGroup group, Set<Parameter> tables, boolean matrices) {
            List<Parameter> parameters = group.parameters().stream()
                    .filter(parameter -> (parameter.shape().length == 2 && !tables.contains(parameter)) == matrices)
                    .toList();
            return new ParameterGroup(parameters, group.weightDecay(), group.learningRateFactor());
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            return (shape.length == 2 && !isTable ? 1 : 2) * OptimizerProvider.floatBytes(shape);
        }
    }
}
