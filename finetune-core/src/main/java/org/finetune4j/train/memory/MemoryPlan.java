package org.finetune4j.train.memory;

import java.util.Collection;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.OffloadOptions;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.optimizer.MasterWeights;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;

/**
 * The memory that a training takes at its peak, in bytes, from the shapes of what it holds. Plans are made by {@link #of}, from
 * another plan by {@link #toBuilder}, or part by part by {@link #builder}.
 *
 * @param trainable scalars that train
 * @param total scalars of the model and what a method added
 * @param weights all parameters, in the types they are stored in
 * @param gradients of everything that trains, as far as they exist at one time
 * @param accumulated gradients that a forward pass finds there, from the batches before it in the same step
 * @param optimizerState what the optimizer keeps between steps
 * @param optimizerResident how much of that is in memory at one time; the rest is in files
 * @param masters float32 values behind parameters that train in fewer bits
 * @param average the moving average of what trains, where one is kept in memory
 * @param activations kept for the backward pass of a batch of the longest samples, all layers
 * @param backward the largest layer's own needs while it goes backwards or, at the end, all gradients with memory of activations that
 *     they do not lie in, and a second gradient of the embedding where libtorch adds one to the first
 * @param head the output layer's scores and gradients, some rows at a time
 * @param process what the process takes without the model: virtual machine and libraries
 * @param companions models that stay beside this one, such as a reference or one that scores answers
 * @param rollouts what the model needs while it answers, when no step is computed
 * @param offloaded of weights and masters, what is in files
 */
public record MemoryPlan(
        long trainable,
        long total,
        long weights,
        long gradients,
        long accumulated,
        long optimizerState,
        long optimizerResident,
        long masters,
        long average,
        long activations,
        long backward,
        long head,
        long process,
        long companions,
        long rollouts,
        long offloaded) {

    /** What a virtual machine with libtorch takes, where it was not measured. */
    public static final long TYPICAL_PROCESS = 420L << 20;

    /** {@return a plan of nothing, to which parts are given by name} */
    public static MemoryPlanBuilder builder() {
        return new MemoryPlanBuilder();
    }

    /** {@return a builder with the parts of this plan} */
    public MemoryPlanBuilder toBuilder() {
        return new MemoryPlanBuilder(this);
    }

    /**
     * The largest batch of a run.
     *
     * @param batchSize samples
     * @param sequenceLength tokens of the longest one
     */
    public record Load(int batchSize, int sequenceLength) {

        long tokens() {
            return (long) batchSize * sequenceLength;
        }
    }

    /**
     * Plans a training of a method that is attached to its model.
     *
     * @param model the model
     * @param strategy the method on it
     * @param arguments of the training
     * @param load its largest batch
     * @param process bytes of the process without the model
     * @return the plan
     */
    public static MemoryPlan of(
            CausalLM model, AttachedStrategy strategy, TrainingArguments arguments, Load load, long process) {
        return of(model, strategy, arguments, arguments.checkpointing(), arguments.segments(), load, process);
    }

    /**
     * Plans the same training with other activations kept.
     *
     * @param model the model
     * @param strategy the method on it
     * @param arguments of the training
     * @param checkpointing which activations are kept, in place of what the arguments say
     * @param segments how layers run, in place of what the arguments say
     * @param load its largest batch
     * @param process bytes of the process without the model
     * @return the plan
     */
    public static MemoryPlan of(
            CausalLM model,
            AttachedStrategy strategy,
            TrainingArguments arguments,
            GradientCheckpointing checkpointing,
            SegmentFactory segments,
            Load load,
            long process) {
        DecoderModel network = model.network();
        Collection<Parameter> trained = strategy.trainableParameters();
        Set<Parameter> all = new HashSet<>(network.allParameters());
        all.addAll(trained);
        Set<Parameter> tables = new HashSet<>(network.inputEmbedding().allParameters());
        tables.addAll(network.outputLayer().allParameters());
        OptimizerOptions optimizer = arguments.optimizer();
        OptimizerProvider provider = OptimizerProvider.named(optimizer.name());
        AllLayersMemory layers = AllLayersMemory.of(model, load.tokens(), checkpointing, segments);
        long head = head(model, load);
        long stays = layers.stays() > 0 ? layers.stays() + head : 0; // both lie in one arena
        GradientMemory gradients =
                GradientMemory.of(network, trained, model.computeDType(), arguments.optimizerInBackward());
        OffloadOptions offload = arguments.offload();
        long average = arguments.emaDecay() > 0
                ? trained.stream().mapToLong(MemoryPlan::exactBytes).sum()
                : 0;
        boolean filesAverage = offload.optimizer() != null; // as any other state
        long states = (filesAverage ? average : 0)
                + trained.stream()
                        .mapToLong(parameter -> stateBytes(provider, parameter, tables.contains(parameter), optimizer))
                        .sum();
        long masters = trained.stream().mapToLong(MemoryPlan::masterBytes).sum();
        long resident = offload.optimizer() == null
                ? provider.residentBytes(states, optimizer)
                : Math.min(states, offload.residentBytes());
        return builder()
                .trainable(trained.stream().mapToLong(Parameter::numel).sum())
                .total(all.stream().mapToLong(Parameter::numel).sum())
                .weights(bytes(all))
                .gradients(gradients.atOnce())
                .accumulated(arguments.gradientAccumulationSteps() > 1 ? gradients.all() : 0)
                .optimizerState(states)
                .optimizerResident(resident)
                .masters(masters)
                .average(filesAverage ? 0 : average)
                .activations(layers.kept())
                .backward(Math.max(
                        layers.backward(),
                        gradients.withArena(stays) + Math.max(gradients.second(), convertedGradient(trained))))
                .head(head)
                .process(process)
                .offloaded(offloaded(offload, all, network, resident, masters))
                .build();
    }

    /**
     * The same steps with what comes beside them.
     *
     * @param steps of a source of its own
     * @return the plan
     */
    public MemoryPlan with(StepMemory steps) {
        return toBuilder()
                .companions(steps.companions())
                .rollouts(steps.rollouts())
                .build();
    }

    /** What is in files of weights and masters; the weights of the segment that runs are in memory in any case. */
    private static long offloaded(
            OffloadOptions offload, Set<Parameter> all, DecoderModel network, long residentStates, long masters) {
        long bytes = 0;
        if (offload.optimizer() != null) {
            bytes += masters - Math.min(masters, Math.max(0, offload.residentBytes() - residentStates));
        }
        if (offload.parameters() != null) {
            long largest = Stream.concat(
                            Stream.of(network.embeddingPart(), network.headPart()), network.layers().stream())
                    .mapToLong(segment -> bytes(segment.allParameters()))
                    .max()
                    .orElse(0);
            bytes += Math.max(0, bytes(all) - Math.max(largest, offload.residentBytes()));
        }
        return bytes;
    }

    private static long bytes(Collection<Parameter> parameters) {
        return parameters.stream().mapToLong(Parameter::bytes).sum();
    }

    /** States are in the type of their parameter, or of its master. */
    private static long stateBytes(
            OptimizerProvider provider, Parameter parameter, boolean isTable, OptimizerOptions optimizer) {
        return provider.stateBytes(parameter.local().shape(), isTable, optimizer)
                * parameter.dtype().atLeastFloat32().itemSize()
                / Float.BYTES;
    }

    private static long masterBytes(Parameter parameter) {
        return MasterWeights.needsMaster(parameter.dtype()) ? exactBytes(parameter) : 0;
    }

    /** What this process holds of a parameter, in float32 at least. */
    private static long exactBytes(Parameter parameter) {
        return parameter.local().numel() * parameter.dtype().atLeastFloat32().itemSize();
    }

    /** An optimizer converts one gradient at a time for a master; the largest one counts. */
    private static long convertedGradient(Collection<Parameter> trained) {
        return trained.stream().mapToLong(MemoryPlan::masterBytes).max().orElse(0);
    }

    /** Scores and their derivative of some rows, in float32 too where that is not their type; all hidden states six times. */
    private static long head(CausalLM model, Load load) {
        DecoderModel network = model.network();
        long vocabulary = network.outputLayer().outFeatures();
        long hidden = network.outputLayer().inFeatures();
        long rows = Math.min(load.tokens(), LanguageModelLoss.rowsAtOnce(vocabulary));
        long itemSize = model.computeDType().itemSize();
        boolean trains = network.outputLayer().weight().isTrainable();
        boolean converts = network.outputLayer().weight().dtype() != model.computeDType();
        long table = (long) (trains ? 1 : 0) + (converts ? 1 : 0);
        long exact = itemSize < Float.BYTES ? 2 * Float.BYTES : 0;
        return itemSize * (2 * rows * vocabulary + 6 * load.tokens() * hidden + table * vocabulary * hidden)
                + exact * rows * vocabulary;
    }

    /** {@return the most that is needed at one time once the optimizer has its state: from the second step on} */
    public long peak() {
        long forward = accumulated + activations + head;
        return process
                + weights
                + optimizerResident
                + masters
                + average
                + companions
                - offloaded
                + Math.max(Math.max(forward, rollouts), Math.max(backward, gradients));
    }

    /**
     * One line for people.
     *
     * @return the peak and its parts
     */
    public String describe() {
        long paged = optimizerState - optimizerResident;
        String files = paged > 0 ? String.format(Locale.ROOT, " (and %,d in files)", megabytes(paged)) : "";
        String inFiles = offloaded > 0
                ? String.format(Locale.ROOT, ", less %,d of weights and masters in files", megabytes(offloaded))
                : "";
        String averages = part("masters", masters) + part("averages", average) + part("other models", companions);
        return String.format(
                Locale.ROOT,
                "about %,d MB at the peak: weights %,d, gradients %,d, optimizer %,d%s,%s activations %,d, output layer"
                        + " %,d,%s virtual machine and libraries %,d%s",
                megabytes(peak()),
                megabytes(weights),
                megabytes(gradients),
                megabytes(optimizerResident),
                files,
                averages,
                megabytes(activations),
                megabytes(head),
                part("rollouts", rollouts),
                megabytes(process),
                inFiles);
    }

    private static String part(String name, long bytes) {
        return bytes > 0 ? String.format(Locale.ROOT, " %s %,d,", name, megabytes(bytes)) : "";
    }

    /**
     * {@return the plan beside what was measured, for people}
     *
     * @param measuredMegabytes the peak of the process
     */
    public String compare(long measuredMegabytes) {
        double difference = 100.0 * (measuredMegabytes - megabytes(peak())) / Math.max(1, megabytes(peak()));
        return String.format(
                Locale.ROOT,
                "memory: %,d MB at the peak so far, %,d MB planned (%+.0f%%)",
                measuredMegabytes,
                megabytes(peak()),
                difference);
    }

    private static long megabytes(long bytes) {
        return bytes >> 20;
    }
}
