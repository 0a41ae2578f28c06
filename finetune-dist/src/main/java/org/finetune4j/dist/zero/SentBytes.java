package org.finetune4j.dist.zero;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ShardedValue;
import org.finetune4j.train.arguments.TrainingArguments;

/**
 * What a rank sends by the formulas of ZeRO, beside what stages, slices and experts need.
 *
 * @param once bytes of a step
 * @param everyPass bytes of each of its passes
 */
record SentBytes(double once, double everyPass) {

    /**
     * Goes through a model.
     *
     * @param trained what this rank trains
     * @param sharers the ranks that have the same of a parameter
     */
    static SentBytes of(
            DecoderModel network,
            Collection<Parameter> trained,
            TrainingArguments arguments,
            Function<Parameter, Communicator> sharers) {
        double once = 0;
        double everyPass = 0;
        boolean early = arguments.sharding().stage() >= 2;
        for (Parameter parameter : trained) {
            if (!isShared(parameter)) {
                double gradient = ring(sharers.apply(parameter)) * parameter.bytes();
                // Reduced, and the new weights gathered.
                once += early ? gradient : 2 * gradient;
                everyPass += early ? gradient : 0;
            }
        }
        int again = arguments.checkpointing().everyLayers() > 1 ? 2 : 1;
        int layers = network.layers().size();
        // A table that is embedding and output layer is counted with the embedding: it stays for the head.
        Set<Parameter> counted = Collections.newSetFromMap(new IdentityHashMap<>());
        everyPass += gathered(network.embeddingPart(), 1, counted, sharers);
        everyPass += gathered(network.headPart(), 1, counted, sharers);
        for (int i = 0; i < layers; i++) {
            // What the last two layers were gathered for is still there when they go back, as tables are.
            everyPass += gathered(network.layers().get(i), i + 2 < layers ? 1 + again : 1, counted, sharers);
        }
        return new SentBytes(once, everyPass);
    }

    /** A segment's weights as often as they come, and their gradients once, but for what has been counted. */
    private static double gathered(
            Module segment, int gathers, Set<Parameter> counted, Function<Parameter, Communicator> sharers) {
        List<Parameter> own = new ArrayList<>(segment.allParameters());
        own.removeIf(parameter -> !isShared(parameter) || !counted.add(parameter));
        double bytes = 0;
        for (Parameter parameter : own) {
            Communicator group = sharers.apply(parameter);
            int times = gathers + (parameter.isTrainable() ? 1 : 0);
            bytes += times * ring(group) * parameter.bytes() * group.size();
        }
        return bytes;
    }

    private static boolean isShared(Parameter parameter) {
        return parameter.form() instanceof ShardedValue || parameter.compressed() instanceof PackedShard;
    }

    private static double ring(Communicator group) {
        return (group.size() - 1.0) / group.size();
    }

    /** Bytes of a step of so many passes. */
    double of(int passes) {
        return once + passes * everyPass;
    }
}
