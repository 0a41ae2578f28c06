package org.finetune4j.model;

import java.util.ServiceLoader;
import java.util.stream.StreamSupport;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Weights;

/**
 * A family of models. To add one, write a {@link DecoderModel}, implement this interface beside it and name the
 * implementation in {@code META-INF/services/org.finetune4j.model.Architecture}.
 */
public interface Architecture {

    /** The name in the configuration's {@code architectures}, such as {@code LlamaForCausalLM}. */
    String name();

    /**
     * The prefix that the names of the backbone's weights have in this class's checkpoints, such as {@code model.}; some
     * checkpoints were saved from the backbone alone and lack it.
     */
    String backbonePrefix();

    /**
     * Builds the model.
     *
     * @throws UserErrorException when the configuration asks for something that is not implemented, or a weight is
     *     missing or has another shape
     */
    DecoderModel build(ModelConfig config, Weights weights);

    /**
     * The architecture that a configuration names.
     *
     * @throws UserErrorException when it is not known, with the nearest name that is
     */
    static Architecture of(ModelConfig config) {
        String name = config.architecture();
        var known = StreamSupport.stream(ServiceLoader.load(Architecture.class).spliterator(), false)
                .toList();
        return known.stream()
                .filter(architecture -> architecture.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new UserErrorException(config.origin() + ": architecture '" + name
                        + "' is not implemented"
                        + Suggestions.didYouMean(
                                name, known.stream().map(Architecture::name).toList())));
    }
}
