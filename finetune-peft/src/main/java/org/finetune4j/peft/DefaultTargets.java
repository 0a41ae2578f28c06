package org.finetune4j.peft;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;

/** The modules that PEFT targets when nobody says which, by method and {@code model_type}. */
public final class DefaultTargets {

    /** The key of the method whose defaults hold for what a method has none of its own for. */
    private static final String LIKE = "like";

    private static final Map<String, Map<String, Object>> BY_METHOD = PeftKeys.load("default-targets.json");
    private static final Map<String, Object> LIKE_LORA = Map.of(LIKE, "LORA");

    private DefaultTargets() {}

    /**
     * The default for a model.
     *
     * @param peftType the method, such as {@code LORA}
     * @param model whose {@code model_type} decides
     * @return the modules
     * @throws UserErrorException when PEFT has none for the model's type, with the names there are
     */
    public static TargetModules of(String peftType, CausalLM model) {
        return find(peftType, model).orElseThrow(() -> {
            String type = model.config().text("model_type", "");
            Map<String, Module> linear =
                    new TargetModules.AllLinear().modules(model, "target_modules", List.of(Linear.class));
            return new UserErrorException("target_modules is missing, and PEFT has no default for model_type '" + type
                    + "': write " + TargetModules.ALL_LINEAR + ", or some of "
                    + String.join(", ", TargetModules.leafNames(linear)));
        });
    }

    /**
     * {@return the default for a model, if PEFT has one}
     *
     * @param list the method, such as {@code LORA}, or another list of defaults
     * @param model whose {@code model_type} decides
     */
    public static Optional<TargetModules> find(String list, CausalLM model) {
        String type = model.config().text("model_type", "");
        Map<String, Object> own = BY_METHOD.getOrDefault(list, LIKE_LORA);
        Object value = own.get(type);
        if (value == null && own.get(LIKE) instanceof String other) {
            return find(other, model);
        }
        if (value instanceof List<?> names) {
            return Optional.of(
                    new TargetModules.Names(names.stream().map(String::valueOf).toList()));
        }
        return Optional.ofNullable(value).map(pattern -> new TargetModules.Regex(pattern.toString()));
    }
}
