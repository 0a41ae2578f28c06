package org.finetune4j.dist.pipeline;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.dist.mesh.Mesh;
import org.finetune4j.dist.mesh.MeshGroup;
import org.finetune4j.dist.zero.ModelParts;
import org.finetune4j.dist.zero.StateOwners;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Which ranks of a pipeline have which parameters: those whose segments use one, and all of them one that trains and that no segment
 * uses, or whose gradients a method compares with those of other layers. Gradients of what several have are added up; what another one has is not held here, and comes while it is borrowed. Frozen
 * weights that are mapped from their file stay: untouched they take no memory.
 */
final class StageParts implements ModelParts, AutoCloseable {

    private final Communicator pipeline;
    private final Communicator stage;
    private final ModelParts within;
    private final IdentityHashMap<Parameter, SortedSet<Integer>> ranks = new IdentityHashMap<>();
    private final List<Parameter> trainable;
    private final List<Parameter> held;
    private final Set<Parameter> packed = Collections.newSetFromMap(new IdentityHashMap<>());
    private final StateOwners owners;
    private final Map<SortedSet<Integer>, Communicator> sharing = new LinkedHashMap<>();
    private final IdentityHashMap<Parameter, ElsewhereValue> elsewhere = new IdentityHashMap<>();
    private Consumer<Parameter> asking = parameter -> {};

    /**
     * All ranks of the pipeline make theirs.
     *
     * @param mesh where they are
     * @param within what ranks with the same layers have of them
     * @param isWholeEverywhere whether every stage has all that trains: a method decides by the gradients of all layers
     */
    StageParts(
            Mesh mesh,
            ModelParts within,
            DecoderModel network,
            Collection<Parameter> trainable,
            StagePlan plan,
            boolean isWholeEverywhere) {
        this.pipeline = mesh.pipeline();
        this.stage = mesh.group(MeshGroup.STAGE);
        this.within = within;
        this.trainable = List.copyOf(trainable);
        this.owners = new StateOwners(trainable);
        List<Module> segments = segments(network);
        List<Parameter> all = new ArrayList<>();
        Set<Parameter> distinct = Collections.newSetFromMap(new IdentityHashMap<>());
        for (int i = 0; i < segments.size(); i++) {
            int rank = plan.stageOf(i) % pipeline.size();
            for (Parameter parameter : held(segments.get(i))) {
                ranksOf(parameter).add(rank);
                all.add(parameter);
            }
        }
        all.addAll(trainable);
        this.held = all.stream().filter(distinct::add).toList();
        held.stream().filter(parameter -> parameter.compressed() != null).forEach(packed::add);
        for (Parameter parameter : this.trainable) {
            if (isWholeEverywhere || ranksOf(parameter).isEmpty()) {
                for (int rank = 0; rank < pipeline.size(); rank++) {
                    ranksOf(parameter).add(rank);
                }
            }
            if (ranksOf(parameter).size() > 1) {
                sharing.computeIfAbsent(
                        ranksOf(parameter),
                        some -> pipeline.split(some.contains(pipeline.rank()) ? 0 : 1, pipeline.rank()));
            }
        }
    }

    /** The chain: embedding, layers, head. */
    static List<Module> segments(DecoderModel network) {
        List<Module> segments = new ArrayList<>();
        segments.add(network.embeddingPart());
        segments.addAll(network.layers());
        segments.add(network.headPart());
        return segments;
    }

    /** What takes memory in a segment: what trains, and frozen weights that were packed or cut when they were loaded. */
    static List<Parameter> held(Module segment) {
        List<Parameter> all = new ArrayList<>(segment.trainableParameters());
        segment.allParameters().stream()
                .filter(parameter ->
                        !parameter.isTrainable() && (parameter.compressed() != null || isCopied(parameter)))
                .forEach(all::add);
        return all;
    }

    /** Slices of rows are read where the file is mapped, others are not in one piece there. */
    private static boolean isCopied(Parameter parameter) {
        ParameterSlice slice = parameter.slice();
        return slice != null && slice.dimension() > 0;
    }

    private SortedSet<Integer> ranksOf(Parameter parameter) {
        return ranks.computeIfAbsent(parameter, key -> new TreeSet<>());
    }

    /** Frees what other ranks train. */
    void release() {
        for (Parameter parameter : apart()) {
            if (!isHere(parameter)) {
                ElsewhereValue value = new ElsewhereValue(parameter.form(), () -> fetched(parameter));
                parameter.replace(value);
                elsewhere.put(parameter, value);
            }
        }
    }

    @Override
    public boolean isHere(Parameter parameter) {
        SortedSet<Integer> some = ranks.get(parameter);
        return some == null || some.contains(pipeline.rank());
    }

    @Override
    public List<Parameter> apart() {
        return held.stream()
                .filter(parameter -> ranksOf(parameter).size() < pipeline.size())
                .toList();
    }

    @Override
    public @Nullable Communicator stage() {
        return pipeline.rank() == 0 ? null : stage;
    }

    /** Whether this rank is the one that saves what a state of this name belongs to, where ranks of the pipeline have it alike. */
    boolean saves(String state) {
        Parameter owner = owners.of(state);
        return owner == null || ranksOf(owner).first() == pipeline.rank();
    }

    /** Whether a state of this name belongs to what this rank trains. */
    boolean takes(String state) {
        Parameter owner = owners.of(state);
        return owner == null || isHere(owner);
    }

    @Override
    public void askWith(Consumer<Parameter> others) {
        asking = others;
    }

    /** Tells the other ranks that {@link #borrow} comes, where they have to be told. */
    void ask(Parameter parameter) {
        asking.accept(parameter);
    }

    @Override
    public Loan borrow(Parameter parameter) {
        SortedSet<Integer> some = ranks.get(parameter);
        if (some == null || some.size() == pipeline.size()) {
            return () -> {};
        }
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            int owner = some.first();
            DType dtype = exchanged(parameter);
            Tensor values = owner == pipeline.rank()
                    ? parameter.form().as(dtype).detach().contiguous()
                    : Tensors.zeros(dtype, parameter.device(), parameter.shape());
            pipeline.broadcast(values, owner).await();
            ElsewhereValue here = elsewhere.get(parameter);
            if (here == null) {
                return () -> {};
            }
            Tensor before = here.lend(values.unscoped());
            return () -> {
                here.lend(before);
                values.close();
            };
        }
    }

    /** Its stage unpacks a weight in the type that it calculates in: the type that the checkpoint had before would round it. */
    private DType exchanged(Parameter parameter) {
        return packed.contains(parameter) ? DType.FLOAT32 : parameter.dtype();
    }

    private Tensor fetched(Parameter parameter) {
        ask(parameter);
        try (Loan loan = borrow(parameter)) {
            return parameter.form().as(exchanged(parameter)).copy();
        }
    }

    /** Adds up the gradients of what several ranks of the pipeline train. */
    void sumShared() {
        sharing.forEach((some, group) -> {
            if (some.contains(pipeline.rank())) {
                trainable.stream()
                        .filter(parameter -> some.equals(ranksOf(parameter)))
                        .forEach(parameter -> sum(parameter, group));
            }
        });
    }

    private static void sum(Parameter parameter, Communicator group) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor own = parameter.grad();
            Tensor touched = Tensors.of(new double[] {own == null ? 0 : 1}, 1);
            group.allReduce(touched, Reduction.MAX).await();
            if (touched.item() == 0) {
                return;
            }
            Tensor sum = own == null
                    ? Tensors.zeros(parameter.dtype(), parameter.device(), parameter.shape())
                    : own.contiguous();
            group.allReduce(sum, Reduction.SUM).await();
            if (own == null) {
                parameter.addGradient(sum.copy());
            } else if (!sum.isSame(own)) {
                own.copyInPlace(sum);
            }
        }
    }

    @Override
    public double copies(Parameter parameter) {
        SortedSet<Integer> some = ranks.get(parameter);
        return within.copies(parameter) * (some == null ? 1 : some.size());
    }

    @Override
    public boolean isFirst() {
        return within.isFirst();
    }

    @Override
    public double sum(double own) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor number = Tensors.of(new double[] {within.sum(own)}, 1);
            pipeline.allReduce(number, Reduction.SUM).await();
            return number.item();
        }
    }

    @Override
    public void gatherWith(Gathering others) {
        within.gatherWith(others);
    }

    @Override
    public @Nullable SharedExperts experts() {
        return within.experts();
    }

    @Override
    public void close() {
        List<Communicator> groups = new ArrayList<>(sharing.values());
        for (int i = groups.size() - 1; i >= 0; i--) {
            groups.get(i).close();
        }
        sharing.clear();
    }
}
