package org.finetune4j.dist.zero;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.nn.DenseValue;
import org.finetune4j.nn.GatheredShards;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Residency;
import org.finetune4j.nn.ShardGatherer;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/**
 * A model of which every rank keeps a part (ZeRO 3): the weights of its embedding, layers and head, which come together while a
 * segment needs them. What a method added to the model stays whole on every rank: it is small.
 */
final class ModelShards implements AutoCloseable {

    private final GatheredShards gathered = new GatheredShards();
    private final PackedShards packed = new PackedShards();

    /**
     * Shares the model's weights out.
     *
     * @param sharers the ranks that have the same of a parameter
     */
    ModelShards(Function<Parameter, Communicator> sharers, DecoderModel network, FirstRank first) {
        Set<Parameter> parameters = Collections.newSetFromMap(new IdentityHashMap<>());
        for (Parameter parameter : ofSegments(network)) {
            if (parameters.add(parameter)) {
                // All ranks count alike, also where one has nothing of an expert.
                share(parameter, sharers.apply(parameter), first, first.add(parameter));
            }
        }
    }

    private static void share(Parameter parameter, Communicator group, FirstRank first, int number) {
        CompressedWeight compressed = parameter.compressed();
        if (parameter.numel() == 0 || group.size() == 1) {
            return;
        }
        if (compressed != null && !compressed.storage().isEmpty()) {
            parameter.replace(new PackedShard(compressed, new Gatherer(group, first, number)));
        } else if (parameter.form() instanceof DenseValue && !parameter.standsForAnother()) {
            boolean trains = parameter.isTrainable();
            DType dtype = parameter.dtype();
            parameter.shard(new Gatherer(group, first, number));
            if (trains) {
                parameter.train(dtype);
            }
        }
    }

    private static Collection<Parameter> ofSegments(DecoderModel network) {
        List<Module> segments = new ArrayList<>();
        segments.add(network.embeddingPart());
        segments.addAll(network.layers());
        segments.add(network.headPart());
        List<Parameter> all = new ArrayList<>();
        segments.forEach(segment -> all.addAll(segment.allParameters()));
        return all;
    }

    List<Residency> residencies() {
        return List.of(gathered, packed);
    }

    /** Frees the memory that weights were gathered in. */
    @Override
    public void close() {
        gathered.close();
    }

    /**
     * Brings the parts of one parameter together.
     *
     * @param group whose ranks have parts
     * @param first may ask for it by its number
     */
    private record Gatherer(Communicator group, FirstRank first, int number) implements ShardGatherer {

        @Override
        public int rank() {
            return group.rank();
        }

        @Override
        public int ranks() {
            return group.size();
        }

        @Override
        public void allGather(Tensor part, Tensor whole) {
            first.beforeGathering(number);
            group.allGather(part, whole).await();
        }

        @Override
        public Runnable beginAllGather(Tensor part, Tensor whole) {
            first.beforeGathering(number);
            return group.allGather(part, whole)::await;
        }

        @Override
        public void reduceScatter(Tensor whole, Tensor part) {
            group.reduceScatter(whole, part, Reduction.SUM).await();
        }
    }
}
