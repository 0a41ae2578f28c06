package org.finetune4j.dist.tensor;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.DividedFeatures;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.Module;

/** What stands in the way of dividing a model's layers, by what its parts say ({@link Module#dividedFeatures}). */
public final class DivisibleLayers {

    private DivisibleLayers() {}

    /**
     * A matrix that nobody says anything about: sums over it would be missing, or be made twice.
     *
     * @param network the model, or its shapes
     * @return the path of one, or empty where all layers can be divided
     */
    public static Optional<String> unknown(DecoderModel network) {
        Map<String, DividedFeatures> said = said(network);
        return linears(network).filter(path -> !said.containsKey(path)).findFirst();
    }

    /**
     * A matrix that is whole on every rank and would see some of the tokens where sequences are divided: what it and an adapter on it
     * learn would have to be added up. Routers see all tokens.
     *
     * @param network the model, or its shapes
     * @return the path of one, or empty where sequences can be divided
     */
    public static Optional<String> wholeBetweenBlocks(DecoderModel network) {
        Map<String, DividedFeatures> said = said(network);
        Map<String, Module> modules = network.namedModules();
        return linears(network)
                .filter(path -> said.containsKey(path)
                        && said.get(path).side() == DividedFeatures.Side.NOTHING
                        && modules.values().stream()
                                .noneMatch(module -> module instanceof MixtureOfExperts mixture
                                        && mixture.router() == modules.get(path)))
                .findFirst();
    }

    private static Map<String, DividedFeatures> said(DecoderModel network) {
        Map<String, DividedFeatures> said = new HashMap<>();
        network.namedModules().forEach((path, module) -> module.dividedFeatures()
                .forEach((name, features) -> said.put(path + "." + name, features)));
        return said;
    }

    /** Paths of all linear layers between embedding and head. */
    private static Stream<String> linears(DecoderModel network) {
        return network.namedModules().entrySet().stream()
                .filter(entry -> entry.getValue() instanceof DecoderLayer)
                .flatMap(layer -> layer.getValue().namedModules().entrySet().stream()
                        .filter(part -> part.getValue() instanceof Linear)
                        .map(part -> layer.getKey() + "." + part.getKey()));
    }
}
