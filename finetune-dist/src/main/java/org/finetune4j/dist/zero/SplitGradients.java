package org.finetune4j.dist.zero;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.dist.zero.ModelParts.SharedExperts;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.nn.Residency;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.train.offload.StateMemory;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ParameterGroup;

/**
 * Gradients where ranks of the data axis share experts out: those of what all of them have are added up over the whole axis, those of
 * an expert over the ranks that have it.
 *
 * @param common of what every rank of the data axis has
 * @param own of experts
 * @param experts tells the two apart
 * @param owners of states
 */
record SplitGradients(GradientSharing common, GradientSharing own, SharedExperts experts, StateOwners owners)
        implements GradientSharing {

    @Override
    public List<Residency> residencies() {
        List<Residency> all = new ArrayList<>(common.residencies());
        all.addAll(own.residencies());
        return all;
    }

    @Override
    public void reduce() {
        common.reduce();
        own.reduce();
    }

    @Override
    public void each(Reader reader) {
        common.each(reader);
        own.each(reader);
    }

    @Override
    public double squares(ToDoubleFunction<Parameter> copies) {
        double here = own.squares(copies);
        double[] everywhere = new GroupMessages(experts.sharers()).reduced(Reduction.SUM, here);
        return common.squares(copies) + everywhere[0];
    }

    @Override
    public Collection<Parameter> updated() {
        List<Parameter> all = new ArrayList<>(common.updated());
        all.addAll(own.updated());
        return all;
    }

    /** States belong to single parameters, so two optimizers are one. */
    @Override
    public Optimizer optimizer(
            OptimizerProvider provider, List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
        return new OptimizerPair(
                common.optimizer(provider, filtered(groups, false), tables, options),
                own.optimizer(provider, filtered(groups, true), tables, options));
    }

    private List<ParameterGroup> filtered(List<ParameterGroup> groups, boolean ofExperts) {
        return groups.stream()
                .map(each -> new ParameterGroup(
                        each.parameters().stream()
                                .filter(parameter -> experts.owns(parameter) == ofExperts)
                                .toList(),
                        each.weightDecay(),
                        each.learningRateFactor()))
                .toList();
    }

    private boolean isOfExpert(String state) {
        Parameter owner = owners.of(state);
        return owner != null && experts.owns(owner);
    }

    @Override
    public int holder(Parameter parameter) {
        return (experts.owns(parameter) ? own : common).holder(parameter);
    }

    @Override
    public Map<String, ParameterPart> held(Map<String, Tensor> state) {
        Map<String, Tensor> ofCommon = new LinkedHashMap<>();
        Map<String, Tensor> ofExperts = new LinkedHashMap<>();
        state.forEach((name, tensor) -> (isOfExpert(name) ? ofExperts : ofCommon).put(name, tensor));
        Map<String, ParameterPart> held = new LinkedHashMap<>(common.held(ofCommon));
        held.putAll(own.held(ofExperts));
        return held;
    }

    @Override
    public Optional<Tensor> taken(String name, Tensor whole) {
        return (isOfExpert(name) ? own : common).taken(name, whole);
    }

    /**
     * One optimizer in two parts, whose parameters have nothing to do with each other.
     *
     * @param first of some
     * @param second of the others
     */
    private record OptimizerPair(Optimizer first, Optimizer second) implements Optimizer {

        @Override
        public void step(double learningRate) {
            first.step(learningRate);
            second.step(learningRate);
        }

        @Override
        public void finishStep() {
            first.finishStep();
            second.finishStep();
        }

        @Override
        public void keepStatesIn(StateMemory memory) {
            first.keepStatesIn(memory);
            second.keepStatesIn(memory);
        }

        @Override
        public void clearGradients() {
            first.clearGradients();
            second.clearGradients();
        }

        @Override
        public Map<String, Tensor> state() {
            Map<String, Tensor> all = new LinkedHashMap<>(first.state());
            second.state().forEach(all::putIfAbsent);
            return all;
        }

        @Override
        public void restore(Map<String, Tensor> state) {
            first.restore(state);
            second.restore(state);
        }

        @Override
        public boolean averagesWeights() {
            return first.averagesWeights();
        }

        @Override
        public void swapEvaluationWeights() {
            first.swapEvaluationWeights();
            second.swapEvaluationWeights();
        }

        @Override
        public void close() {
            first.close();
            second.close();
        }
    }
}
