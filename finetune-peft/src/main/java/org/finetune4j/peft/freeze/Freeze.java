package org.finetune4j.peft.freeze;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdapterConstruction;
import org.finetune4j.peft.AdapterDType;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.CopyAdapter;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.TrainedCopy;
import org.finetune4j.strategy.DeltaKind;

/**
 * Partial fine-tuning (Howard and Ruder 2018, Lee et al. 2019): the lowest layers stay as they are, the others train as a
 * whole. They train in copies, so that the result is a delta that can be taken off again.
 */
public final class Freeze implements PeftStrategy {

    private final FreezeConfig config;

    private Freeze(FreezeConfig config) {
        this.config = config;
    }

    /**
     * Freezes the lowest {@code layers} layers and the embeddings.
     *
     * @param layers how many stay as they are; a negative number leaves that many at the top to train
     * @return the method
     */
    public static Freeze layers(int layers) {
        return of(new FreezeConfig(layers, true, false));
    }

    /**
     * {@return partial fine-tuning with these settings}
     *
     * @param config the settings
     */
    public static Freeze of(FreezeConfig config) {
        return new Freeze(config);
    }

    @Override
    public String method() {
        return "freeze";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.SPECIFICATION;
    }

    @Override
    public PeftAdapter attach(CausalLM model, boolean trainable) {
        DecoderModel network = model.network();
        int count = network.layers().size();
        int frozen = config.frozenLayers() < 0 ? count + config.frozenLayers() : config.frozenLayers();
        if (frozen < 0 || frozen > count) {
            throw new UserErrorException(
                    FreezeConfig.LAYERS + " is " + config.frozenLayers() + ", the model has " + count + " layers");
        }
        Set<Parameter> still = frozen(network, frozen);
        try (AdapterConstruction construction = AdapterConstruction.on(model)) {
            List<TrainedCopy> copies = new ArrayList<>();
            network.namedParameters().forEach((name, parameter) -> {
                if (!still.contains(parameter)) {
                    copies.add(TrainedCopy.shared(
                            List.of(AdapterWeights.PREFIX + name),
                            network,
                            name,
                            parameter,
                            AdapterDType.of(model),
                            trainable));
                }
            });
            if (copies.isEmpty()) {
                throw new UserErrorException("nothing is left to train: lower " + FreezeConfig.LAYERS + " or set "
                        + FreezeConfig.HEAD + " or " + FreezeConfig.EMBEDDINGS + " to false");
            }
            return construction.complete(CopyAdapter.of(model, copies, config.toJson()));
        }
    }

    private Set<Parameter> frozen(DecoderModel network, int layers) {
        Set<Parameter> frozen = Collections.newSetFromMap(new IdentityHashMap<>());
        network.layers().subList(0, layers).forEach(layer -> frozen.addAll(layer.allParameters()));
        Set<Parameter> ofLayers = Collections.newSetFromMap(new IdentityHashMap<>());
        network.layers().forEach(layer -> ofLayers.addAll(layer.allParameters()));
        Set<Parameter> ofEmbeddings = Collections.newSetFromMap(new IdentityHashMap<>());
        network.namedModules().values().stream()
                .filter(Embedding.class::isInstance)
                .forEach(module -> ofEmbeddings.addAll(module.allParameters()));
        network.allParameters().forEach(parameter -> {
            boolean embedding = ofEmbeddings.contains(parameter);
            if (!ofLayers.contains(parameter) && (embedding ? config.freezeEmbeddings() : config.freezeHead())) {
                frozen.add(parameter);
            }
        });
        return frozen;
    }

    @Override
    public Map<String, Object> settings() {
        return Map.of(
                FreezeConfig.LAYERS, config.frozenLayers(),
                FreezeConfig.EMBEDDINGS, config.freezeEmbeddings(),
                FreezeConfig.HEAD, config.freezeHead());
    }
}
