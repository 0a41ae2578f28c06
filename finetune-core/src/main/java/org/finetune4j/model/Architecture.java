package org.finetune4j.model;

import java.util.List;
import org.finetune4j.Services;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Weights;

/**
 * A family of models. To add one, write a {@link DecoderModel}, implement this interface beside it and name the
 * implementation in {@code META-INF/services/org.finetune4j.model.Architecture}.
 */
public interface Architecture {

    /**
     * {@return the names in the configuration's {@code architectures} that this builds, such as {@code LlamaForCausalLM} and
     * {@code LlamaForSequenceClassification}: the same backbone under other heads}
     */
    List<String> names();

    /**
     * {@return the prefix that the names of the backbone's weights have in this class's checkpoints, such as {@code model.};
     * some checkpoints were saved from the backbone alone and lack it}
     */
    String backbonePrefix();

    /**
     * Other names that older checkpoints store a tensor under.
     *
     * @param name the name that it has now
     * @return the other names, the newest first
     */
    default List<String> formerNames(String name) {
        return List.of();
    }

    /**
     * {@return whether a checkpoint may hold this tensor although the model has no use for it, such as a stored constant}
     *
     * @param name of the tensor
     */
    default boolean isDispensable(String name) {
        return name.endsWith("rotary_emb.inv_freq");
    }

    /**
     * {@return how the names of the weights begin that belong to a head, this architecture's or another on the same
     * backbone}
     */
    default List<String> headPrefixes() {
        return List.of("score.", "lm_head.");
    }

    /** {@return the key of config.json that says how many numbers a token has between the layers} */
    default String hiddenSizeKey() {
        return "hidden_size";
    }

    /** {@return the key of config.json that says how many heads of queries there are} */
    default String headsKey() {
        return "num_attention_heads";
    }

    /**
     * Builds the model.
     *
     * @param config of the model
     * @param weights where parameters come from
     * @return the model
     * @throws UserErrorException when the configuration asks for something that is not implemented, or a weight is missing
     *     or has another shape
     */
    DecoderModel build(ModelConfig config, Weights weights);

    /**
     * {@return the architecture that a configuration names}
     *
     * @param config of the model
     * @throws UserErrorException when it is not known, with the nearest name that is
     */
    static Architecture of(ModelConfig config) {
        return known().stream()
                .filter(architecture -> architecture.names().contains(config.architecture()))
                .findFirst()
                .orElseThrow(() -> unknown(config));
    }

    /**
     * {@return the name of the classifier of sequences that has the backbone of what a configuration names, itself included}
     *
     * @param config of the model
     * @throws UserErrorException when there is none
     */
    static String classifierOf(ModelConfig config) {
        String family = config.architecture().replaceFirst("(For|LMHead|Model|PreTraining).*", "") + "For";
        return known().stream()
                .filter(architecture -> architecture.names().stream()
                        .anyMatch(name -> name.equals(config.architecture()) || name.startsWith(family)))
                .flatMap(architecture -> architecture.names().stream())
                .filter(name -> name.endsWith(ModelConfig.SEQUENCE_CLASSIFIER))
                .findFirst()
                .orElseThrow(() -> unknown(config));
    }

    /** {@return all that are registered} */
    static List<Architecture> known() {
        return Services.of(Architecture.class);
    }

    private static UserErrorException unknown(ModelConfig config) {
        String name = config.architecture();
        List<String> names = known().stream()
                .flatMap(architecture -> architecture.names().stream())
                .toList();
        if (config.has(TextCheckpoint.TEXT_CONFIG)) {
            return new UserErrorException(
                    config.origin() + ": architecture '" + name + "' reads more than text, which is"
                            + " not implemented: finetune extract-text writes its language model as a checkpoint of its own");
        }
        return new UserErrorException(config.origin() + ": architecture '" + name + "' is not implemented"
                + Suggestions.didYouMean(name, names));
    }
}
