package org.finetune4j.dist.zero;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.nn.Residency;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.optimizer.GradientClipping;
import org.finetune4j.train.optimizer.MasterWeights;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ParameterGroup;

/**
 * Every rank has the summed gradients as a whole. Each updates all parameters (stage 0); or, where states are to be shared out and
 * the optimizer needs whole parameters, each updates some of them, dealt out by their size, and sends them to the others.
 */
final class WholeGradients implements GradientSharing {

    private final Communicator group;
    private final GroupMessages messages;
    private final List<Parameter> trainable;
    private final long bucketBytes;
    private final boolean dealtOut;
    private final IdentityHashMap<Parameter, Integer> owners = new IdentityHashMap<>();

    /** @param dealtOut whether each rank updates some parameters only */
    WholeGradients(Communicator group, Collection<Parameter> trainable, long bucketBytes, boolean dealtOut) {
        this.group = group;
        this.messages = new GroupMessages(group);
        this.trainable = List.copyOf(trainable);
        this.bucketBytes = bucketBytes;
        this.dealtOut = dealtOut;
        if (dealtOut) {
            dealOut();
        }
    }

    /** The largest first, each to the rank that has the least so far. */
    private void dealOut() {
        long[] load = new long[group.size()];
        List<Parameter> largestFirst = new ArrayList<>(trainable);
        largestFirst.sort(Comparator.comparingLong(Parameter::numel).reversed());
        for (Parameter parameter : largestFirst) {
            int least = 0;
            for (int rank = 1; rank < load.length; rank++) {
                least = load[rank] < load[least] ? rank : least;
            }
            owners.put(parameter, least);
            load[least] += parameter.numel();
        }
    }

    private boolean isOwn(Parameter parameter) {
        return !dealtOut || Objects.equals(owners.get(parameter), group.rank());
    }

    @Override
    public List<Residency> residencies() {
        return List.of();
    }

    @Override
    public void reduce() {
        if (group.size() == 1) {
            return;
        }
        double[] touched =
                trainable.stream().mapToDouble(each -> isTouched(each) ? 1 : 0).toArray();
        double[] anywhere = messages.reduced(Reduction.MAX, touched);
        Map<DType, List<Parameter>> together = new LinkedHashMap<>();
        for (int i = 0; i < trainable.size(); i++) {
            Parameter parameter = trainable.get(i);
            if (anywhere[i] > 0) {
                List<Parameter> bucket = together.computeIfAbsent(parameter.dtype(), key -> new ArrayList<>());
                bucket.add(parameter);
                if (bucket.stream().mapToLong(Parameter::bytes).sum() >= bucketBytes) {
                    sum(bucket);
                    bucket.clear();
                }
            }
        }
        together.values().stream().filter(bucket -> !bucket.isEmpty()).forEach(this::sum);
    }

    private static boolean isTouched(Parameter parameter) {
        try (TensorScope scope = TensorScope.open()) {
            return parameter.grad() != null;
        }
    }

    private void sum(List<Parameter> bucket) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Parameter first = bucket.get(0);
            long length = bucket.stream().mapToLong(Parameter::numel).sum();
            Tensor all = Tensors.zeros(first.dtype(), first.device(), length);
            long at = 0;
            for (Parameter parameter : bucket) {
                Tensor gradient = parameter.grad();
                if (gradient != null) {
                    all.narrow(0, at, parameter.numel())
                            .copyInPlace(gradient.contiguous().view(-1));
                }
                at += parameter.numel();
            }
            group.allReduce(all, Reduction.SUM).await();
            at = 0;
            for (Parameter parameter : bucket) {
                Tensor sum = all.narrow(0, at, parameter.numel()).view(parameter.shape());
                Tensor gradient = parameter.grad();
                if (gradient == null) {
                    parameter.addGradient(sum.copy());
                } else {
                    gradient.copyInPlace(sum);
                }
                at += parameter.numel();
            }
        }
    }

    @Override
    public void each(Reader reader) {
        for (Parameter parameter : trainable) {
            Tensor gradient = parameter.grad();
            if (gradient != null) {
                reader.read(parameter, gradient, group.size());
            }
        }
    }

    @Override
    public double squares(ToDoubleFunction<Parameter> copies) {
        double squares = 0;
        for (Parameter parameter : trainable) {
            double norm = GradientClipping.globalNorm(List.of(parameter));
            squares += norm * norm / copies.applyAsDouble(parameter);
        }
        return squares;
    }

    @Override
    public List<Parameter> updated() {
        return trainable;
    }

    @Override
    public Optimizer optimizer(
            OptimizerProvider provider, List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
        if (!dealtOut) {
            return MasterWeights.optimizer(provider, groups, tables, options);
        }
        List<ParameterGroup> own = groups.stream()
                .map(each -> new ParameterGroup(
                        each.parameters().stream().filter(this::isOwn).toList(),
                        each.weightDecay(),
                        each.learningRateFactor()))
                .toList();
        return new RanksOptimizer(
                MasterWeights.optimizer(provider, own, tables, options),
                this::exchange,
                () -> trainable.forEach(Parameter::clearGrad));
    }

    private void exchange(Consumer<Parameter> arrived) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            for (Parameter parameter : trainable) {
                group.broadcast(parameter.local().detach(), Objects.requireNonNull(owners.get(parameter)))
                        .await();
                arrived.accept(parameter);
            }
        }
    }

    @Override
    public int holder(Parameter parameter) {
        return owners.getOrDefault(parameter, -1);
    }

    @Override
    public Map<String, ParameterPart> held(Map<String, Tensor> state) {
        Map<String, ParameterPart> held = new LinkedHashMap<>();
        if (dealtOut || group.rank() == 0) {
            state.forEach((name, tensor) -> held.put(name, ParameterPart.whole(tensor)));
        }
        return held;
    }

    @Override
    public Optional<Tensor> taken(String name, Tensor whole) {
        return Optional.of(whole);
    }
}
