package org.finetune4j.dist.tensor;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.tensor.Division.Axis;
import org.finetune4j.dist.tensor.LayerRules.Rule;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.ModelPartition;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.ParallelRegion;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.nn.RmsNorm;
import org.jspecify.annotations.Nullable;

/** One rank's share of a model whose matrices are divided among a group. */
final class TensorPartition implements ModelPartition, AutoCloseable {

    private final Communicator group;
    private final ExpertDivision experts;
    private final SumRegion region;
    private final SliceGathering gathering;
    private final Map<Axis, Division> divisions = new HashMap<>();
    private final Map<String, ParallelRegion> entries = new LinkedHashMap<>();
    private @Nullable LayerRules rules;
    private @Nullable Communicator keyGroup;
    private @Nullable SumRegion keyRegion;

    /** @param group stays the caller's */
    TensorPartition(Communicator group, ExpertDivision experts) {
        this.group = group;
        this.experts = experts;
        this.region = new SumRegion(group);
        this.gathering = new SliceGathering(group);
    }

    Communicator group() {
        return group;
    }

    SliceGathering gathering() {
        return gathering;
    }

    @Override
    public ModelConfig local(ModelConfig whole) {
        LayerRules found = LayerRules.of(whole, group.size(), experts);
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

    @Override
    public @Nullable ParameterSlice slice(String name) {
        LayerRules all = rules();
        int end = name.lastIndexOf('.');
        String module = name.substring(0, end);
        boolean weight = name.endsWith(".weight");
        if (all.isOfVocabulary(module)) {
            return new ParameterSlice(0, division(all.vocabulary()));
        }
        Rule rule = all.rule(module);
        if (rule == null || (!weight && rule.split() == LayerRules.Split.ROW)) {
            return null;
        }
        boolean outputs = rule.split() == LayerRules.Split.COLUMN;
        int dimension = !weight || rule.isVector() ? 0 : outputs == all.outputsFirst() ? 0 : 1;
        return new ParameterSlice(dimension, division(rule.axis()));
    }

    @Override
    public void connect(DecoderModel network) {
        LayerRules all = rules();
        network.namedParameters().forEach((name, parameter) -> {
            ParameterSlice slice = slice(name);
            parameter.sliced(slice);
            if (slice != null && keyRegion != null && slice.axis() == division(all.keys())) {
                parameter.summedIn(keyRegion);
            }
        });
        network.namedModules().forEach((path, module) -> connect(all, path, module));
        VocabularyDivision words = new VocabularyDivision(division(all.vocabulary()), group);
        network.inputEmbedding().divide(words);
        if (network.pooling() == null) {
            network.outputLayer().divide(region, null);
        }
    }

    private void connect(LayerRules all, String path, Module module) {
        Rule rule = all.rule(path);
        if (module instanceof MixtureOfExperts mixture) {
            mixture.divide(region);
        } else if (module instanceof RmsNorm norm && rule != null) {
            norm.divide(division(rule.axis()));
        } else if (all.isHeadNorm(path)) {
            module.ownParameters().values().forEach(parameter -> summed(parameter));
        } else if (module instanceof Linear linear && rule != null && !rule.isOfExpert()) {
            if (rule.split() == LayerRules.Split.ROW) {
                linear.divide(null, region);
            } else {
                String block = path.substring(0, path.lastIndexOf('.'));
                linear.divide(entries.computeIfAbsent(block, b -> new SharedEntry(region)), null);
            }
        }
    }

    private void summed(Parameter parameter) {
        parameter.summedIn(region);
    }

    @Override
    public void close() {
        region.close();
        if (keyRegion != null) {
            keyRegion.close();
        }
        if (keyGroup != null) {
            keyGroup.close();
        }
    }
}
