package org.finetune4j.nn;

import java.util.Map;

/** Modules of a model that are used together, seen as one. They stay the model's: a group frees nothing. */
public final class ModuleGroup extends Module {

    /**
     * Groups some modules.
     *
     * @param modules by their path from the model
     */
    public ModuleGroup(Map<String, Module> modules) {
        modules.forEach(this::child);
    }

    /** Frees nothing: the model does. */
    @Override
    public void close() {}
}
