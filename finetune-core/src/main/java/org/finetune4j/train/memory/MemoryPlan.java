package org.finetune4j.train.memory;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.TrainingArguments;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;

/**
 * The memory that a training takes at its peak, in bytes, from the shapes of what it holds.
 *
 * @param trainable scalars that train
 * @param total scalars of the model and what a method added
 * @param weights all parameters, in the types they are stored in
 * @param gradients of everything that trains
 * @param optimizerState what the optimizer keeps between steps
 * @param optimizerResident how much of that is in memory at one time; the rest is in files
 * @param average the moving average of what trains, where one is kept
 * @param activations kept for the backward pass of a batch of the longest samples, all layers
 * @param backward the largest layer's own needs while it goes backwards or, at the end, all gradients and a second one of
 *     the embedding, which libtorch adds to the first
 * @param head the output layer's scores and gradients, some rows at a time
 * @param process what the process takes without the model: virtual machine and libraries
 */
public record MemoryPlan(
        long trainable,
        long total,
        long weights,
        long gradients,
        long optimizerState,
        long optimizerResident,
        long average,
        long activations,
        long backward,
        long head,
        long process) {

    /** What a virtual machine with libtorch takes, where it was not measured. */
    public static final long TYPICAL_PROCESS = 420L << 20;

    /** Blocks of this size and larger are mapped on their own, see the runtime's allocator settings. */
    private static final long MAPPED_BLOCK = 1L << 25;

    /** The largest batch of a run. */
    public record Load(int batchSize, int sequenceLength) {

        long tokens() {
            return (long) batchSize * sequenceLength;
        }
    }

    /**
     * Plans a training of a method that is attached to its model.
     *
     * @param process bytes of the process without the model
     */
    public static MemoryPlan of(
            CausalLM model, AttachedStrategy strategy, TrainingArguments arguments, Load load, long process) {
        DecoderModel network = model.network();
        Collection<Parameter> trained = strategy.trainableParameters();
        Set<Parameter> all = identitySet(network.allParameters());
        all.addAll(trained);
        Set<Parameter> tables = identitySet(network.inputEmbedding().allParameters());
        tables.addAll(network.outputLayer().allParameters());
        OptimizerOptions optimizer = arguments.optimizer();
        OptimizerProvider provider = OptimizerProvider.named(optimizer.name());
        Layers layers = Layers.of(model, load.tokens(), arguments.checkpointing());
        long gradients = trained.stream().mapToLong(MemoryPlan::bytes).sum();
        long states = trained.stream()
                .mapToLong(parameter -> stateBytes(provider, parameter, tables.contains(parameter), optimizer))
                .sum();
        return new MemoryPlan(
                trained.stream().mapToLong(MemoryPlan::scalars).sum(),
                all.stream().mapToLong(MemoryPlan::scalars).sum(),
                all.stream().mapToLong(MemoryPlan::bytes).sum(),
                gradients,
                states,
                provider.residentBytes(states, optimizer),
                arguments.emaDecay() > 0 ? gradients : 0,
                layers.kept,
                Math.max(layers.backward, gradients + secondGradient(network)),
                head(model, load),
                process);
    }

    private static long secondGradient(DecoderModel network) {
        Parameter table = network.inputEmbedding().weight();
        return table.isTrainable() ? table.bytes() : 0;
    }

    /** States are in the type of their parameter. */
    private static long stateBytes(
            OptimizerProvider provider, Parameter parameter, boolean isTable, OptimizerOptions optimizer) {
        return provider.stateBytes(parameter.shape(), isTable, optimizer)
                * parameter.dtype().itemSize()
                / Float.BYTES;
    }

    /** Bytes of all layers together. */
    private record Layers(long kept, long backward) {

        static Layers of(CausalLM model, long tokens, GradientCheckpointing checkpointing) {
            int checkpointedLayers = checkpointing.everyLayers();
            DecoderModel network = model.network();
            long hidden = network.inputEmbedding().weight().value().size(1);
            int itemSize = model.computeDType().itemSize();
            ModelConfig config = model.config();
            int experts = config.positive("num_local_experts", config.positive("num_experts", 1));
            double share = Math.min(1, config.positive("num_experts_per_tok", 1) / (double) experts);
            List<Long> kept = new ArrayList<>();
            boolean recorded = network.embeddingTrains();
            for (DecoderLayer layer : network.layers()) {
                // Nothing is kept below the first layer that trains.
                recorded |= layer.isTrainable();
                kept.add(recorded ? keptBytes(layer, model, hidden, share, tokens) : 0);
            }
            long backward = network.layers().stream()
                    .mapToLong(layer -> tokens
                            * itemSize
                            * LayerMemory.of(layer, hidden, model.computeDType(), share)
                                    .backwardPerToken())
                    .max()
                    .orElse(0);
            long all = kept.stream().mapToLong(Long::longValue).sum();
            if (checkpointedLayers == 0) {
                return new Layers(all, backward);
            }
            // The inputs of all groups, and one group computed again.
            boolean inMemory = checkpointing.offloadDirectory() == null;
            long groups = inMemory ? (kept.size() + checkpointedLayers - 1) / checkpointedLayers : 1;
            long largest = kept.stream().mapToLong(Long::longValue).max().orElse(0) * checkpointedLayers;
            return new Layers(groups * tokens * hidden * itemSize + Math.min(all, largest), backward);
        }

        private static long keptBytes(DecoderLayer layer, CausalLM model, long hidden, double share, long tokens) {
            LayerMemory memory = LayerMemory.of(layer, hidden, model.computeDType(), share);
            int itemSize = model.computeDType().itemSize();
            boolean leavesGaps = tokens * hidden * itemSize < MAPPED_BLOCK;
            long perToken = memory.keptPerToken() + (leavesGaps ? memory.gapsPerToken() : 0);
            return itemSize * (tokens * perToken + memory.convertedWeights());
        }
    }

    /** Scores, their derivative and a copy of some rows; the hidden states of all rows about six times. */
    private static long head(CausalLM model, Load load) {
        DecoderModel network = model.network();
        long vocabulary = network.outputLayer().outFeatures();
        long hidden = network.outputLayer().inFeatures();
        long rows = Math.min(load.tokens(), LanguageModelLoss.rowsAtOnce(vocabulary));
        long itemSize = model.computeDType().itemSize();
        boolean trains = network.outputLayer().weight().isTrainable();
        boolean converts = network.outputLayer().weight().dtype() != model.computeDType();
        long table = (trains ? 1 : 0) + (converts ? 1 : 0);
        return itemSize * (2 * rows * vocabulary + 6 * load.tokens() * hidden + table * vocabulary * hidden);
    }

    /** The most that is needed at one time once the optimizer has its state: from the second step on. */
    public long peak() {
        long forward = activations + head;
        return process + weights + optimizerResident + average + Math.max(forward, Math.max(backward, gradients));
    }

    private static Set<Parameter> identitySet(Collection<Parameter> parameters) {
        Set<Parameter> set = Collections.newSetFromMap(new IdentityHashMap<>());
        set.addAll(parameters);
        return set;
    }

    private static long scalars(Parameter parameter) {
        return parameter.numel();
    }

    private static long bytes(Parameter parameter) {
        return parameter.bytes();
    }

    /** One line for people. */
    public String describe() {
        String files = optimizerResident < optimizerState
                ? String.format(Locale.ROOT, " (and %,d in files)", megabytes(optimizerState - optimizerResident))
                : "";
        String averages = average > 0 ? String.format(Locale.ROOT, " averages %,d,", megabytes(average)) : "";
        return String.format(
                Locale.ROOT,
                "about %,d MB at the peak: weights %,d, gradients %,d, optimizer %,d%s,%s activations %,d, output layer"
                        + " %,d, virtual machine and libraries %,d",
                megabytes(peak()),
                megabytes(weights),
                megabytes(gradients),
                megabytes(optimizerResident),
                files,
                averages,
                megabytes(activations),
                megabytes(head),
                megabytes(process));
    }

    /** The plan beside what was measured, for people. */
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
