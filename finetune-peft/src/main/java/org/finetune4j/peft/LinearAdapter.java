package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.jspecify.annotations.Nullable;

/** An adapter that does the same thing to every linear layer of a selection. */
public class LinearAdapter extends PeftAdapter {

    private static final List<Class<? extends Module>> LINEAR = List.of(Linear.class);
    private static final String FAN_IN_FAN_OUT = "fan_in_fan_out";

    private final String peftType;
    private final ModuleSelection modules;
    private final Supplier<Map<String, @Nullable Object>> settings;
    private final Collection<String> paths;
    private final boolean conv1d;

    /**
     * Holds what was added to the layers of a model.
     *
     * @param model gets the adapter
     * @param peftType such as {@code LORA}
     * @param modules which layers are adapted, and which modules train as a whole
     * @param settings the method's own settings under PEFT's keys, without those of {@code modules}
     * @param targets the selected layers by path
     * @param parts what is added at each place
     */
    protected LinearAdapter(
            CausalLM model,
            String peftType,
            ModuleSelection modules,
            Supplier<Map<String, @Nullable Object>> settings,
            Map<String, Linear> targets,
            List<? extends AdapterPart> parts) {
        super(model, parts);
        this.peftType = peftType;
        this.modules = modules;
        this.settings = settings;
        this.paths = List.copyOf(targets.keySet());
        this.conv1d = targets.values().stream().anyMatch(linear -> linear.layout() == Linear.Layout.IN_OUT);
    }

    /**
     * Adapts every layer that is selected.
     *
     * @param model gets the adapter
     * @param method says which layers, and what is added to each
     * @param trainable whether its parameters train
     * @return the adapter, not enabled
     */
    static LinearAdapter create(CausalLM model, LinearStrategy method, boolean trainable) {
        String peftType = method.peftType();
        ModuleSelection modules = method.modules();
        Map<String, Linear> targets = targets(model, peftType, modules);
        targets.forEach((path, linear) -> {
            if (linear.weight().slice() != null && !method.worksOnSlices()) { // before anything is made by its size
                throw AdaptedLinear.sliced("method " + method.method(), path, AdaptedLinear.ANOTHER_METHOD);
            }
        });
        try (AdapterConstruction construction = AdapterConstruction.on(model)) {
            LayerFactory factory = method.layers(model, targets, trainable);
            List<AdapterPart> parts = new ArrayList<>();
            targets.forEach((path, linear) -> parts.add(factory.make(path, linear)));
            parts.addAll(factory.shared());
            parts.addAll(modules.savedModules(model, targets.keySet(), trainable));
            return construction.complete(
                    new LinearAdapter(model, peftType, modules, () -> method.toJson(model), targets, parts));
        }
    }

    /**
     * {@return the selected linear layers by path}
     *
     * @param model where they are looked for
     * @param peftType such as {@code LORA}
     * @param modules which layers are adapted, and which modules train as a whole
     */
    public static Map<String, Linear> targets(CausalLM model, String peftType, ModuleSelection modules) {
        Map<String, Linear> targets = new LinkedHashMap<>();
        modules.select(model, peftType, LINEAR).forEach((path, module) -> targets.put(path, (Linear) module));
        return targets;
    }

    @Override
    protected Map<String, @Nullable Object> configuration() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("peft_type", peftType);
        json.putAll(settings.get());
        json.putAll(modules.toJson(peftType, model(), paths));
        if (PeftKeys.defaults(peftType).containsKey(FAN_IN_FAN_OUT)) {
            json.put(FAN_IN_FAN_OUT, conv1d);
        }
        return json;
    }
}
