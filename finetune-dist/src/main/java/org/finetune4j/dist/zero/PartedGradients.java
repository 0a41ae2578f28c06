package org.finetune4j.dist.zero;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.nn.Residency;
import org.finetune4j.nn.ShardedValue;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.arguments.ShardingOptions;
import org.finetune4j.train.optimizer.GradientClipping;
import org.finetune4j.train.optimizer.MasterWeights;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ParameterGroup;
import org.jspecify.annotations.Nullable;

/**
 * Every rank has the summed gradients of its parts of all parameters, and the optimizer's states for them (ZeRO 1 and 2). From
 * the second stage on, gradients are summed while the backward pass goes on, a bucket as soon as it is full, and the wholes are
 * dropped. Weights that ranks hold as parts anyway ({@link ShardedValue}) do all this by themselves.
 */
final class PartedGradients implements GradientSharing, Residency {

    private final Communicator group;
    private final GroupMessages messages;
    private final ShardingOptions options;
    private final IdentityHashMap<Parameter, PartedParameter> parted = new IdentityHashMap<>();
    private final List<PartedParameter> all = new ArrayList<>();
    private final List<Parameter> sharded = new ArrayList<>();
    private final List<PartedParameter> outside;
    private final StateOwners owners;
    private final Set<PartedParameter> open = Collections.newSetFromMap(new LinkedHashMap<>());
    private final IdentityHashMap<Module, List<PartedParameter>> bySegment = new IdentityHashMap<>();
    private PartBucket.@Nullable Sum underWay;

    PartedGradients(
            Communicator group, DecoderModel network, Collection<Parameter> trainable, ShardingOptions options) {
        this.group = group;
        this.messages = new GroupMessages(group);
        this.options = options;
        for (Parameter parameter : trainable) {
            if (parameter.form() instanceof ShardedValue) {
                sharded.add(parameter);
            } else {
                PartedParameter each = new PartedParameter(parameter, group.rank(), group.size());
                parted.put(parameter, each);
                all.add(each);
            }
        }
        Set<PartedParameter> inPasses = new LinkedHashSet<>();
        if (isEager()) {
            List<Module> forwards = new ArrayList<>();
            forwards.add(network.embeddingPart());
            forwards.addAll(network.layers());
            forwards.add(network.headPart());
            forwards.forEach(segment -> bySegment.put(segment, completedBy(segment, inPasses)));
        }
        this.owners = new StateOwners(trainable);
        this.outside = all.stream().filter(each -> !inPasses.contains(each)).toList();
    }

    private boolean isEager() {
        return options.stage() >= 2;
    }

    /** A table that is both embedding and output layer has all of its gradient when the first of the two has gone back. */
    private List<PartedParameter> completedBy(Module segment, Set<PartedParameter> before) {
        return segment.trainableParameters().stream()
                .map(parted::get)
                .filter(Objects::nonNull)
                .filter(before::add)
                .toList();
    }

    @Override
    public List<Residency> residencies() {
        return isEager() ? List.of(this) : List.of();
    }

    /** What no segment that is yet to go back adds to joins the open bucket; a full one is sent. */
    @Override
    public void afterBackward(Module segment) {
        open.addAll(bySegment.getOrDefault(segment, List.of()));
        if (PartBucket.bytesOf(open) >= options.bucketBytes()) {
            send();
        }
    }

    private void send() {
        for (PartBucket bucket : PartBucket.of(open, Long.MAX_VALUE)) {
            begin(bucket);
        }
        open.clear();
    }

    /** One is under way while the next one is filled. */
    private void begin(PartBucket bucket) {
        complete();
        underWay = bucket.sum(group);
    }

    private void complete() {
        if (underWay != null) {
            underWay.complete();
            underWay = null;
        }
    }

    @Override
    public void reduce() {
        send();
        for (PartBucket bucket : PartBucket.of(outside, options.bucketBytes())) {
            begin(bucket);
        }
        complete();
        dropUntouched();
    }

    /** Where no rank's batches gave a gradient there is none: an optimizer passes such parameters over. */
    private void dropUntouched() {
        double[] touched = new double[all.size() + sharded.size()];
        for (int i = 0; i < all.size(); i++) {
            touched[i] = all.get(i).isTouched() ? 1 : 0;
        }
        for (int i = 0; i < sharded.size(); i++) {
            boolean own = sharded.get(i).form() instanceof ShardedValue value && value.isTouched();
            touched[all.size() + i] = own ? 1 : 0;
        }
        double[] anywhere = messages.reduced(Reduction.MAX, touched);
        for (int i = 0; i < all.size(); i++) {
            if (anywhere[i] == 0) {
                all.get(i).part().clearGrad();
            }
        }
        for (int i = 0; i < sharded.size(); i++) {
            if (anywhere[all.size() + i] == 0) {
                sharded.get(i).clearGrad();
            }
        }
    }

    @Override
    public void each(Reader reader) {
        all.forEach(each -> read(reader, each.whole(), each.updated().grad()));
        sharded.forEach(each -> read(reader, each, each.grad()));
    }

    private static void read(Reader reader, Parameter parameter, @Nullable Tensor gradient) {
        if (gradient != null) {
            reader.read(parameter, gradient, 1);
        }
    }

    @Override
    public double squares(ToDoubleFunction<Parameter> copies) {
        double own = 0;
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            for (PartedParameter each : all) {
                each.addRest();
                own += squares(each.updated()) / copies.applyAsDouble(each.whole());
            }
            for (Parameter each : sharded) {
                own += squares(each) / copies.applyAsDouble(each);
            }
        }
        return messages.reduced(Reduction.SUM, own)[0];
    }

    private static double squares(Parameter parameter) {
        double norm = GradientClipping.globalNorm(List.of(parameter));
        return norm * norm;
    }

    @Override
    public List<Parameter> updated() {
        List<Parameter> updated = new ArrayList<>(sharded);
        all.stream()
                .filter(each -> each.part().count() > 0)
                .map(PartedParameter::updated)
                .forEach(updated::add);
        return updated;
    }

    @Override
    public Optimizer optimizer(
            OptimizerProvider provider,
            List<ParameterGroup> groups,
            Set<Parameter> tables,
            OptimizerOptions optimizerOptions) {
        Set<Parameter> updatedTables = Collections.newSetFromMap(new IdentityHashMap<>());
        tables.forEach(table -> updatedTables.add(updated(table)));
        List<ParameterGroup> updatedGroups = groups.stream()
                .map(each -> new ParameterGroup(
                        each.parameters().stream()
                                .filter(this::hasPart)
                                .map(this::updated)
                                .toList(),
                        each.weightDecay(),
                        each.learningRateFactor()))
                .toList();
        return new RanksOptimizer(
                MasterWeights.optimizer(provider, updatedGroups, updatedTables, optimizerOptions),
                arrived -> PartBucket.of(all, options.bucketBytes()).forEach(bucket -> bucket.gather(group, arrived)),
                () -> {
                    all.forEach(PartedParameter::clear);
                    sharded.forEach(Parameter::clearGrad);
                });
    }

    private boolean hasPart(Parameter parameter) {
        PartedParameter each = parted.get(parameter);
        return each == null || each.part().count() > 0;
    }

    private Parameter updated(Parameter parameter) {
        PartedParameter each = parted.get(parameter);
        return each == null ? parameter : each.updated();
    }

    @Override
    public Map<String, ParameterPart> held(Map<String, Tensor> state) {
        Map<String, ParameterPart> held = new LinkedHashMap<>();
        state.forEach((name, tensor) -> {
            ParameterPart place = place(name);
            if (place != null) {
                held.put(name, place.withValues(tensor));
            } else if (group.rank() == 0) {
                held.put(name, ParameterPart.whole(tensor));
            }
        });
        return held;
    }

    @Override
    public Optional<Tensor> taken(String name, Tensor whole) {
        Parameter owner = owners.of(name);
        if (owner == null) {
            return Optional.of(whole);
        }
        PartedParameter each = parted.get(owner);
        if (each != null) {
            return each.part().count() == 0
                    ? Optional.empty()
                    : Optional.of(each.part().of(whole.contiguous().view(-1)));
        }
        return owner.form() instanceof ShardedValue value ? Optional.of(value.localOf(whole)) : Optional.of(whole);
    }

    private @Nullable ParameterPart place(String name) {
        Parameter owner = owners.of(name);
        return owner == null ? null : updated(owner).form().part();
    }
}
