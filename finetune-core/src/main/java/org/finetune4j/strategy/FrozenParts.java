package org.finetune4j.strategy;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Parameter;
import org.finetune4j.regex.RegularExpression;

/**
 * What full fine-tuning leaves as it is. Frozen layers at the bottom of a model cost neither gradients nor a backward pass.
 *
 * @param layers how many layers from the bottom are frozen, together with the embedding; 0 for none
 * @param trainable regular expressions: only parameters whose name one of them is found in train; empty for all
 */
public record FrozenParts(int layers, List<String> trainable) {

    /**
     * Checks the number and copies the expressions.
     *
     * @param layers how many layers from the bottom are frozen, together with the embedding; 0 for none
     * @param trainable regular expressions: only parameters whose name one of them is found in train; empty for all
     * @throws IllegalArgumentException when {@code layers} is negative
     */
    public FrozenParts {
        trainable = List.copyOf(trainable);
        if (layers < 0) {
            throw new IllegalArgumentException("layers must not be negative: " + layers);
        }
    }

    /**
     * Nothing is frozen.
     *
     * @return the parts, none
     */
    public static FrozenParts none() {
        return new FrozenParts(0, List.of());
    }

    /**
     * The parameters that train.
     *
     * @throws UserErrorException when a pattern matches nothing, or everything would be frozen
     */
    List<Parameter> trainable(DecoderModel network) {
        Set<Parameter> frozen = Collections.newSetFromMap(new IdentityHashMap<>());
        if (layers > 0) {
            int all = network.layers().size();
            if (layers > all) {
                throw new UserErrorException("freeze_layers is " + layers + ", the model has " + all + " layers");
            }
            frozen.addAll(network.inputEmbedding().allParameters());
            network.layers().subList(0, layers).forEach(layer -> frozen.addAll(layer.allParameters()));
        }
        Map<String, Parameter> named = network.namedParameters();
        List<RegularExpression> patterns =
                trainable.stream().map(text -> compile(text, named.keySet())).toList();
        List<Parameter> left = named.entrySet().stream()
                .filter(entry -> !entry.getValue().isConstant() && !frozen.contains(entry.getValue()))
                .filter(entry ->
                        patterns.isEmpty() || patterns.stream().anyMatch(pattern -> pattern.search(entry.getKey())))
                .map(Map.Entry::getValue)
                .toList();
        if (left.isEmpty()) {
            throw new UserErrorException("freeze_layers and trainable_parameters leave nothing to train");
        }
        return left;
    }

    private static RegularExpression compile(String text, Set<String> names) {
        RegularExpression pattern = RegularExpression.compile("trainable_parameters", text);
        if (names.stream().noneMatch(pattern::search)) {
            throw new UserErrorException(
                    "trainable_parameters: '" + text + "' matches no parameter" + Suggestions.didYouMean(text, names));
        }
        return pattern;
    }

    Map<String, Object> settings() {
        Map<String, Object> settings = new LinkedHashMap<>();
        if (layers > 0) {
            settings.put("freeze_layers", layers);
        }
        if (!trainable.isEmpty()) {
            settings.put("trainable_parameters", trainable);
        }
        return settings;
    }
}
