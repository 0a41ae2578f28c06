package org.finetune4j.dist.pipeline;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;

/** What the segments of a model cost: multiplications a token, in the order of the chain. */
public final class StageCosts {

    private StageCosts() {}

    /**
     * The costs by the sizes of the matrices. A table of embeddings is looked up and costs nothing; of a mixture's experts those count
     * that a token is sent to.
     *
     * @param network the model's layers
     * @return of the embedding, each layer and the head
     */
    public static double[] of(DecoderModel network) {
        List<? extends Module> layers = network.layers();
        double[] costs = new double[layers.size() + 2];
        for (int i = 0; i < layers.size(); i++) {
            costs[i + 1] = of(layers.get(i));
        }
        costs[layers.size() + 1] = network.outputLayer().weight().numel();
        return costs;
    }

    private static double of(Module layer) {
        Map<String, Module> modules = layer.namedModules();
        double cost = 0;
        for (Map.Entry<String, Parameter> each : layer.namedParameters().entrySet()) {
            double share = modules.entrySet().stream()
                    .filter(module -> module.getValue() instanceof MixtureOfExperts
                            && each.getKey().startsWith(module.getKey() + ".experts."))
                    .mapToDouble(module -> ((MixtureOfExperts) module.getValue()).shareOfExperts())
                    .findFirst()
                    .orElse(1);
            cost += each.getValue().shape().length < 2
                    ? 0
                    : share * each.getValue().numel();
        }
        return cost;
    }
}
