package org.finetune4j.peft;

import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;

/** The modules that PEFT targets when nobody says which, by {@code model_type}. */
public final class DefaultTargets {

    private static final Map<String, List<String>> BY_MODEL_TYPE =
            Map.of("llama", List.of("q_proj", "v_proj"), "gpt2", List.of("c_attn"));

    private DefaultTargets() {}

    /**
     * The default for a model.
     *
     * @throws UserErrorException when PEFT has none for its type
     */
    public static TargetModules of(CausalLM model) {
        String type = model.config().text("model_type", "");
        List<String> names = BY_MODEL_TYPE.get(type);
        if (names == null) {
            throw new UserErrorException("target_modules is missing and there is no default for model_type '" + type
                    + "': name the modules, or use all-linear");
        }
        return new TargetModules.Names(names);
    }
}
