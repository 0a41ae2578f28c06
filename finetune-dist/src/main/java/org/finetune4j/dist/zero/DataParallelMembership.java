package org.finetune4j.dist.zero;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.dist.zero.ModelParts.SharedExperts;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.nn.Residency;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.arguments.ShardingOptions;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.group.Pass;
import org.finetune4j.train.health.TrainingStatistics.Size;
import org.finetune4j.train.objective.SharedWork;
import org.finetune4j.train.optimizer.GradientClipping;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ParameterGroup;
import org.jspecify.annotations.Nullable;

/** What a rank does that shares the batches of every step with others. */
public class DataParallelMembership implements Membership {

    private final Communicator world;
    private final Communicator data;
    private final ModelParts parts;
    private final GroupMessages inWorld;
    private final GroupMessages inData;
    private final FirstRank first;
    private final @Nullable ModelShards shards;
    private final GradientSharing gradients;
    private final CausalLM model;
    private final AttachedStrategy strategy;
    private @Nullable Optimizer optimizer;
    private long gradientBytes;
    private final SlicedStates slices;
    private final CommunicationMeter meter = new CommunicationMeter();
    private final TrainingArguments arguments;
    private int passes;
    private @Nullable SentBytes formula;

    /**
     * Brings the model into the form in which the ranks share it.
     *
     * @param world all ranks of the training
     * @param data those among them that share the batches
     * @param parts what ranks beyond the data axis have of the same model
     * @param model this rank's
     * @param strategy the method on it
     * @param arguments with the stage
     * @throws UserErrorException when the optimizer cannot work at this stage
     */
    public DataParallelMembership(
            Communicator world,
            Communicator data,
            ModelParts parts,
            CausalLM model,
            AttachedStrategy strategy,
            TrainingArguments arguments) {
        this.world = world;
        this.data = data;
        this.parts = parts;
        this.model = model;
        this.strategy = strategy;
        this.arguments = arguments;
        meter.add(world);
        meter.add(data);
        this.inWorld = new GroupMessages(world);
        this.inData = new GroupMessages(data);
        this.first = new FirstRank(world, parts);
        DecoderModel network = model.network();
        ShardingOptions sharding = arguments.sharding();
        OptimizerProvider provider =
                OptimizerProvider.named(arguments.optimizer().name());
        boolean whole = !provider.isElementwise() || strategy.trainingHooks().readsGradients();
        boolean alone = data.size() == 1;
        if (sharding.stage() == ShardingOptions.LAST_STAGE && !alone) {
            requireParts(network, strategy, provider);
            this.shards = new ModelShards(this::sharers, network, first);
        } else {
            this.shards = null;
        }
        Collection<Parameter> trainable = strategy.trainableParameters();
        List<Parameter> here = trainable.stream().filter(parts::isHere).toList();
        shareSlices(network, strategy.savedParameters(), parts);
        this.slices = new SlicedStates(world, data, parts, first, trainable);
        requireElementwise(trainable, provider);
        SharedExperts experts = parts.experts();
        if (experts == null) {
            this.gradients = sharing(data, here, whole, sharding);
        } else {
            meter.add(experts.sharers());
            meter.add(experts.copies());
            List<Parameter> common =
                    here.stream().filter(each -> !experts.owns(each)).toList();
            List<Parameter> own = here.stream().filter(experts::owns).toList();
            this.gradients = new SplitGradients(
                    sharing(data, common, whole, sharding),
                    sharing(experts.copies(), own, whole, sharding),
                    experts,
                    new StateOwners(trainable));
        }
    }

    private GradientSharing sharing(
            Communicator group, List<Parameter> trained, boolean whole, ShardingOptions sharding) {
        boolean alone = group.size() == 1;
        return sharding.stage() == 0 || whole || alone
                ? new WholeGradients(group, trained, sharding.bucketBytes(), sharding.stage() > 0 && !alone)
                : new PartedGradients(group, model.network(), trained, sharding);
    }

    /** The ranks with different batches that have the same of a parameter. */
    private Communicator sharers(Parameter parameter) {
        SharedExperts experts = parts.experts();
        return experts != null && experts.owns(parameter) ? experts.copies() : data;
    }

    /** While the first rank works it may ask for any parameter of which ranks have slices. */
    private void shareSlices(DecoderModel network, Collection<Parameter> ofMethod, ModelParts others) {
        Set<Parameter> all = Collections.newSetFromMap(new IdentityHashMap<>());
        List<Parameter> inOrder = new ArrayList<>(network.allParameters());
        inOrder.addAll(ofMethod);
        inOrder.stream()
                .filter(parameter -> parameter.slice() != null && all.add(parameter))
                .forEach(first::addDivided);
        others.gatherWith(first::gatherDivided);
        others.apart().forEach(first::addApart);
        others.askWith(first::beforeBorrowing);
    }

    private static void requireElementwise(Collection<Parameter> trainable, OptimizerProvider optimizer) {
        boolean slices = trainable.stream().anyMatch(parameter -> parameter.slice() != null);
        if (slices && !optimizer.isElementwise()) {
            throw new UserErrorException("optim " + optimizer.names().get(0)
                    + " needs whole weights, and with tensor_parallel_size or expert_parallel_size ranks have slices: choose an"
                    + " optimizer such as adamw");
        }
    }

    private static void requireParts(DecoderModel network, AttachedStrategy strategy, OptimizerProvider optimizer) {
        Collection<Parameter> own = network.allParameters();
        boolean trainsModel = strategy.trainableParameters().stream().anyMatch(own::contains);
        if (trainsModel && !optimizer.isElementwise()) {
            throw new UserErrorException("optim " + optimizer.names().get(0)
                    + " needs whole weights, and zero_stage 3 gives every rank a part of each: choose zero_stage 2"
                    + " or an optimizer such as adamw");
        }
    }

    @Override
    public int rank() {
        return world.rank();
    }

    @Override
    public int ranks() {
        return world.size();
    }

    @Override
    public boolean isAloneInProcess() {
        return !world.sharesProcess();
    }

    @Override
    public int dataRank() {
        return data.rank();
    }

    @Override
    public int dataRanks() {
        return data.size();
    }

    @Override
    public List<Residency> residencies() {
        List<Residency> all = new ArrayList<>();
        if (shards != null) {
            all.addAll(shards.residencies());
        }
        all.addAll(gradients.residencies());
        return all;
    }

    @Override
    public boolean stops(boolean requested) {
        return inWorld.reduced(Reduction.MAX, requested ? 1 : 0)[0] > 0;
    }

    @Override
    public boolean stopsWithinStep(boolean requested) {
        return false;
    }

    @Override
    public OptionalDouble run(Backpropagation backpropagation, List<Pass> ownPasses, BooleanSupplier stop) {
        passes = ownPasses.size();
        meter.begin();
        return Membership.super.run(backpropagation, ownPasses, stop);
    }

    @Override
    public void reduceGradients() {
        gradientBytes = gradientBytes();
        gradients.reduce();
        gradientBytes = Math.max(gradientBytes, gradientBytes());
    }

    private long gradientBytes() {
        Set<Parameter> all = Collections.newSetFromMap(new IdentityHashMap<>());
        all.addAll(strategy.trainableParameters());
        all.addAll(gradients.updated());
        long bytes = 0;
        try (TensorScope scope = TensorScope.open()) {
            for (Parameter parameter : all) {
                Tensor gradient = parameter.grad();
                bytes += gradient == null ? 0 : bytesOf(gradient);
            }
        }
        return bytes;
    }

    private static long bytesOf(Tensor tensor) {
        return tensor.numel() * tensor.dtype().itemSize();
    }

    /**
     * What this rank has in memory of what is shared out.
     *
     * @return after the last step that was done
     */
    public HeldBytes heldBytes() {
        Set<Parameter> all = Collections.newSetFromMap(new IdentityHashMap<>());
        all.addAll(model.network().allParameters());
        all.addAll(strategy.trainableParameters());
        Optimizer present = optimizer;
        long states = present == null
                ? 0
                : present.state().values().stream()
                        .mapToLong(DataParallelMembership::bytesOf)
                        .sum();
        return new HeldBytes(all.stream().mapToLong(Parameter::bytes).sum(), gradientBytes, states);
    }

    @Override
    public double[] sum(double[] numbers) {
        return inData.reduced(Reduction.SUM, numbers);
    }

    @Override
    public Sums sum(double loss, Map<String, Average> metrics) {
        Sums all = sum(data, loss, metrics);
        if (data.size() == 1) {
            return all;
        }
        Map<String, Average> more = new LinkedHashMap<>(all.metrics());
        more.putAll(meter.take(formula().of(passes)));
        return new Sums(all.loss(), more);
    }

    private SentBytes formula() {
        SentBytes known = formula;
        if (known == null) {
            List<Parameter> here = strategy.trainableParameters().stream()
                    .filter(parts::isHere)
                    .toList();
            known = SentBytes.of(model.network(), here, arguments, this::sharers);
            formula = known;
        }
        return known;
    }

    /**
     * Adds up numbers of the ranks of a group.
     *
     * @param group whose ranks all call it
     * @param numbers this rank's, as many on every rank
     * @return over all ranks of the group
     */
    protected static double[] sum(Communicator group, double[] numbers) {
        return new GroupMessages(group).reduced(Reduction.SUM, numbers);
    }

    /**
     * Adds up what ranks of a group have of a step.
     *
     * @param group whose ranks all call it
     * @param loss this rank's
     * @param metrics this rank's, by name; not every rank needs to have all
     * @return over all ranks of the group
     */
    protected static Sums sum(Communicator group, double loss, Map<String, Average> metrics) {
        GroupMessages messages = new GroupMessages(group);
        double[] sums = messages.reduced(Reduction.SUM, loss, metrics.size());
        return new Sums(sums[0], sums[1] == 0 ? metrics : summed(messages, metrics));
    }

    private static Map<String, Average> summed(GroupMessages messages, Map<String, Average> metrics) {
        ObjectNode own = Json.object();
        metrics.forEach((name, average) ->
                own.putArray(name).add(Double.toString(average.sum())).add(Double.toString(average.count())));
        Map<String, Average> all = new LinkedHashMap<>();
        for (String text : messages.all(Json.write(own))) {
            Json.parseObject(text, "metrics of a rank")
                    .properties()
                    .forEach(field -> all.merge(
                            field.getKey(),
                            new Average(
                                    Double.parseDouble(field.getValue().get(0).asText()),
                                    Double.parseDouble(field.getValue().get(1).asText())),
                            Average::plus));
        }
        return all;
    }

    @Override
    public double gradientNorm(Collection<Parameter> trainable) {
        return Math.sqrt(parts.sum(gradients.squares(parts::copies)));
    }

    @Override
    public Map<String, Size> gradientSizes(Collection<Parameter> trainable) {
        GradientSizes sizes = new GradientSizes(trainable);
        gradients.each((parameter, gradient, alike) -> sizes.add(parameter, gradient, alike * parts.copies(parameter)));
        return sizes.of(inWorld);
    }

    @Override
    public void scaleGradients(Collection<Parameter> trainable, double norm, double maxNorm) {
        GradientClipping.scaleDown(gradients.updated(), norm, maxNorm);
    }

    @Override
    public Optimizer optimizer(
            OptimizerProvider provider, List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
        List<ParameterGroup> here = groups.stream()
                .map(each -> new ParameterGroup(
                        each.parameters().stream().filter(parts::isHere).toList(),
                        each.weightDecay(),
                        each.learningRateFactor()))
                .toList();
        Optimizer made = gradients.optimizer(provider, here, tables, options);
        optimizer = made;
        slices.of(made, gradients);
        return new RanksOptimizer(made, arrived -> meter.end(), () -> {});
    }

    @Override
    public Map<String, ParameterPart> held(Map<String, Tensor> state) {
        return slices.held(gradients.held(state));
    }

    @Override
    public Optional<Tensor> taken(String name, Tensor whole) {
        return gradients.taken(name, slices.of(name, whole));
    }

    @Override
    public double[] ofFirst(double... numbers) {
        return inWorld.of(0, numbers);
    }

    @Override
    public void onFirst(SharedWork work) {
        first.run(work);
    }

    @Override
    public void close() {
        if (shards != null) {
            shards.close();
        }
    }
}
