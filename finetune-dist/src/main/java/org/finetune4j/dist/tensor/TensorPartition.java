package org.finetune4j.dist.tensor;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.tensor.Division.Axis;
import org.finetune4j.dist.tensor.LayerRules.Rule;
import org.finetune4j.dist.zero.ModelParts;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.ModelPartition;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.ParallelRegion;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.nn.RmsNorm;
import org.jspecify.annotations.Nullable;

/** One rank's share of a model whose matrices are divided among a group. */
final class TensorPartition implements ModelPartition, AutoCloseable {

    private final Communicator group;
    private final ExpertDivision experts;
    private final @Nullable ExpertGroups expertGroups;
    private final SumRegion region;
    private final @Nullable TokenRegion tokens;
    private final SliceGathering gathering;
    private final @Nullable SliceGathering expertGathering;
    private final @Nullable TokenExchange exchange;
    private final Map<Axis, Division> divisions = new HashMap<>();
    private final Map<Axis, Division> ofExperts = new HashMap<>();
    private final Map<String, ParallelRegion> entries = new LinkedHashMap<>();
    private @Nullable LayerRules rules;
    private @Nullable Communicator keyGroup;
    private @Nullable SumRegion keyRegion;

    /**
     * @param group shares each matrix; stays the caller's
     * @param experts how its ranks divide experts
     * @param expertGroups with whom this rank shares experts out, or null
     * @param dividesSequence whether its ranks have some of the tokens each between the blocks
     */
    TensorPartition(
            Communicator group, ExpertDivision experts, @Nullable ExpertGroups expertGroups, boolean dividesSequence) {
        this.group = group;
        this.experts = experts;
        this.expertGroups = expertGroups;
        this.expertGathering = expertGroups == null ? null : new SliceGathering(expertGroups.holders());
        this.exchange = expertGroups == null ? null : new TokenExchange(expertGroups.sharers());
        this.region = new SumRegion(group);
        this.tokens = dividesSequence && group.size() > 1 ? new TokenRegion(group, region) : null;
        this.gathering = new SliceGathering(group);
    }

    /** Where blocks begin and end. */
    private ParallelRegion stream() {
        return tokens == null ? region : tokens;
    }

    Communicator group() {
        return group;
    }

    @Nullable
    ExpertGroups expertGroups() {
        return expertGroups;
    }

    /** Whether other ranks with other batches have this slice's rest, and none of what this rank has. */
    boolean isOfSharedExpert(ParameterSlice slice) {
        return ofExperts.containsValue(slice.axis());
    }

    /** From now on the ranks that bring slices together with this one may have to be told. */
    void gatherWith(ModelParts.Gathering others) {
        gathering.with(others);
        if (expertGathering != null) {
            expertGathering.with(others);
        }
    }

    @Override
    public ModelConfig local(ModelConfig whole) {
        LayerRules found = LayerRules.of(
                whole,
                group.size(),
                experts,
                expertGroups == null ? 1 : expertGroups.sharers().size(),
                tokens != null);
        rules = found;
        if (found.keyCopies() > 1) {
            Communicator sharers = group.split(group.rank() / found.keyCopies(), group.rank());
            keyGroup = sharers;
            keyRegion = new SumRegion(sharers);
        }
        return found.local();
    }

    private LayerRules rules() {
        if (rules == null) {
            throw new IllegalStateException("no model has been divided yet");
        }
        return rules;
    }

    private Division division(Axis axis) {
        return divisions.computeIfAbsent(axis, a -> new Division(a, group.rank(), region, gathering));
    }

    private Division division(Rule rule) {
        SliceGathering among = expertGathering;
        if (!rule.isOfExpert() || expertGroups == null || among == null) {
            return division(rule.axis());
        }
        int holder = expertGroups.holders().rank();
        return ofExperts.computeIfAbsent(rule.axis(), a -> new Division(a, holder, region, among));
    }

    @Override
    public @Nullable ParameterSlice slice(String name) {
        LayerRules all = rules();
        int end = name.lastIndexOf('.');
        String module = name.substring(0, end);
        boolean weight = name.endsWith(".weight");
        if (all.isOfVocabulary(module)) {
            return new ParameterSlice(0, division(all.vocabulary()));
        }
        Rule rule = all.rule(all.rule(name) == null ? module : name);
        if (rule == null || (!weight && rule.split() == LayerRules.Split.ROW)) {
            return null;
        }
        return new ParameterSlice(weight ? rule.dimension() : 0, division(rule));
    }

    @Override
    public void connect(DecoderModel network) {
        LayerRules all = rules();
        network.namedParameters().forEach((name, parameter) -> {
            ParameterSlice slice = slice(name);
            parameter.sliced(slice);
            if (slice != null && keyRegion != null && all.isOfKeys(name.substring(0, name.lastIndexOf('.')))) {
                parameter.summedIn(keyRegion);
            }
        });
        network.namedModules().forEach((path, module) -> connect(all, path, module));
        if (!all.dividesMatrices()) {
            return;
        }
        HeadPortion heads = new HeadPortion(group.rank(), group.size());
        network.layers().forEach(layer -> layer.divideHeads(heads, division(all.keys())));
        if (tokens != null) {
            divideSequence(tokens, all, network);
        }
        VocabularyDivision words = new VocabularyDivision(division(all.vocabulary()), group);
        network.inputEmbedding().divide(words);
        if (network.pooling() == null) {
            network.outputLayer().divide(region, null);
        }
    }

    /** What is used for some of the tokens by each rank has its gradient added up: norms, and biases after the sums of blocks. */
    private void divideSequence(TokenRegion division, LayerRules all, DecoderModel network) {
        List<? extends DecoderLayer> layers = network.layers();
        for (int i = 0; i < layers.size(); i++) {
            DecoderLayer layer = layers.get(i);
            String path = network.nameOf(layer);
            layer.divideSequence(division, i == 0, i == layers.size() - 1);
            layer.namedModules().forEach((name, module) -> {
                Rule rule = all.rule(path + "." + name);
                if (module instanceof MixtureOfExperts mixture) {
                    mixture.divideSequence(division);
                } else if (module instanceof Norm && rule == null) {
                    module.ownParameters().values().forEach(this::summed);
                } else if (module instanceof Linear linear && linear.bias() != null && isSum(rule)) {
                    summed(linear.bias());
                }
            });
        }
    }

    private static boolean isSum(@Nullable Rule rule) {
        return rule != null && rule.split() == LayerRules.Split.ROW && !rule.isOfExpert();
    }

    private void connect(LayerRules all, String path, Module module) {
        Rule rule = all.rule(path);
        if (module instanceof MixtureOfExperts mixture) {
            if (all.dividesMatrices()) {
                mixture.divide(region);
            }
            if (exchange != null) {
                mixture.shareExperts(exchange);
            }
        } else if (module instanceof RmsNorm norm && rule != null) {
            norm.divide(division(rule.axis()));
        } else if (all.isHeadNorm(path)) {
            module.ownParameters().values().forEach(parameter -> summed(parameter));
        } else if (module instanceof Linear linear && rule != null && rule.isOfExpert()) {
            Parameter bias = linear.bias();
            if (rule.split() == LayerRules.Split.ROW && bias != null && all.dividesMatrices()) {
                linear.divideBias(1.0 / group.size()); // what experts give is added up by their block
                summed(bias);
            }
        } else if (module instanceof Linear linear && rule != null) {
            if (rule.split() == LayerRules.Split.ROW) {
                linear.divide(null, stream());
            } else {
                String block = path.substring(0, path.lastIndexOf('.'));
                linear.divide(entries.computeIfAbsent(block, b -> new SharedEntry(stream())), null);
            }
        }
    }

    private void summed(Parameter parameter) {
        parameter.summedIn(region);
    }

    @Override
    public void close() {
        region.close();
        if (tokens != null) {
            tokens.close();
        }
        if (exchange != null) {
            exchange.close();
        }
        if (keyRegion != null) {
            keyRegion.close();
        }
        if (keyGroup != null) {
            keyGroup.close();
        }
    }
}
