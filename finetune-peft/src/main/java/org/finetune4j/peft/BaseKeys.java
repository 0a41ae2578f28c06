package org.finetune4j.peft;

import java.util.List;
import java.util.Map;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.jspecify.annotations.Nullable;

/** Which of a base model's own parameters a key of an adapter's file stands for. */
final class BaseKeys {

    /** What PEFT puts between a module's path and its parameter's name when the module is wrapped. */
    static final List<String> WRAPPERS = List.of("", "base_layer.", "original_module.", "token_adapter.base_layer.");

    /** The copy of a module that trains as a whole, which PEFT also has under the module's own key. */
    private static final String COPY = ".modules_to_save.";

    private final Map<String, Module> modules;

    BaseKeys(Module network) {
        this.modules = network.namedModules();
    }

    /** The parameter that {@code key} stands for, or null where the base has none of this name. */
    @Nullable
    Parameter find(String key) {
        if (!key.startsWith(AdapterWeights.PREFIX)) {
            return null;
        }
        String name = key.substring(AdapterWeights.PREFIX.length());
        for (String wrapper : WRAPPERS) {
            int leaf = name.lastIndexOf('.') + 1;
            if (leaf > 0 && name.substring(0, leaf).endsWith("." + wrapper)) {
                Module module = modules.get(name.substring(0, leaf - wrapper.length() - 1));
                Parameter parameter =
                        module == null ? null : module.ownParameters().get(name.substring(leaf));
                if (parameter != null) {
                    return parameter;
                }
            }
        }
        return null;
    }

    /** Whether a key says again what another one of the file says: PEFT reads the other one. */
    static boolean isCopy(String key, List<String> all) {
        int copy = key.indexOf(COPY);
        return copy >= 0 && all.contains(key.substring(0, copy + 1) + key.substring(copy + COPY.length()));
    }
}
