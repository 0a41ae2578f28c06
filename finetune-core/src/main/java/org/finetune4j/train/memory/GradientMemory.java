package org.finetune4j.train.memory;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;

/**
 * The memory of the gradients of a step, in bytes.
 *
 * @param all bytes of the gradients of everything that trains
 * @param atOnce bytes of those that exist at one time: all, or where parameters are updated within the backward pass those of the
 *     largest segment, with those that wait for an earlier one
 * @param ofHead bytes of those that the head leaves, when nothing of what layers kept is free yet
 * @param second bytes of the table's second gradient, which is added to the first where autograd looks rows up
 */
record GradientMemory(long all, long atOnce, long ofHead, long second) {

    static GradientMemory of(
            DecoderModel network, Collection<Parameter> trained, DType computeDType, boolean inBackward) {
        Set<Parameter> wanted = new HashSet<>(trained);
        Set<Parameter> ofHead = own(network.headPart(), wanted);
        Set<Parameter> ofEmbedding = own(network.embeddingPart(), wanted);
        long all = bytes(trained);
        long atOnce = all;
        if (inBackward) {
            Set<Parameter> waiting = new HashSet<>(ofHead);
            waiting.retainAll(ofEmbedding);
            List<Module> segments = new ArrayList<>(network.layers());
            segments.add(network.embeddingPart());
            segments.add(network.headPart());
            long largest = 0;
            for (Module segment : segments) {
                Set<Parameter> own = own(segment, wanted);
                own.addAll(waiting);
                largest = Math.max(largest, bytes(own));
            }
            atOnce = largest;
        }
        return new GradientMemory(all, atOnce, bytes(ofHead), second(network, computeDType));
    }

    private static long second(DecoderModel network, DType computeDType) {
        Parameter table = network.inputEmbedding().weight();
        boolean inPlace = network.looksUpRows() && table.dtype() == DType.FLOAT32 && computeDType == DType.FLOAT32;
        return table.isTrainable() && !inPlace ? table.bytes() : 0;
    }

    /**
     * What a backward pass needs beside weights and states.
     *
     * @param activations bytes of what layers and head keep in an arena, or 0 where they keep nothing there
     * @return gradients lie where a layer that has gone back kept what it needed
     */
    long withArena(long activations) {
        long head = Math.min(ofHead, atOnce);
        return activations == 0 ? atOnce : head + Math.max(activations, atOnce - head);
    }

    private static Set<Parameter> own(Module segment, Set<Parameter> wanted) {
        Set<Parameter> own = new HashSet<>(segment.allParameters());
        own.retainAll(wanted);
        return own;
    }

    private static long bytes(Collection<Parameter> parameters) {
        return parameters.stream().mapToLong(Parameter::bytes).sum();
    }
}
