package org.finetune4j.peft.ia3;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.DefaultTargets;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftKeys;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.strategy.DeltaKind;
import org.jspecify.annotations.Nullable;

/**
 * IA3 (Liu et al. 2022): keys, values and the feed-forward block's activations are scaled by learned vectors. The settings have
 * PEFT's names and defaults.
 *
 * @param modules which layers, and which modules train as a whole
 * @param feedForward those of the layers whose input is scaled instead of the output, or null for PEFT's defaults
 * @param neutral whether the scales start from one, else from normal values
 */
public record Ia3(ModuleSelection modules, @Nullable TargetModules feedForward, boolean neutral)
        implements LinearStrategy {

    static final String PEFT_TYPE = "IA3";

    private static final String FEED_FORWARD = "feedforward_modules";
    private static final String INIT = "init_ia3_weights";

    /**
     * {@return PEFT's defaults for these modules}
     *
     * @param modules which layers are adapted, and which modules train as a whole
     */
    public static Ia3 of(ModuleSelection modules) {
        return new Ia3(modules, null, true);
    }

    static Ia3 from(Settings settings, boolean fromFile) {
        List<String> implemented = new ArrayList<>(ModuleSelection.keys());
        implemented.addAll(List.of(FEED_FORWARD, INIT));
        PeftKeys.refuseOthers(settings, PEFT_TYPE, implemented);
        Object listed = settings.value(FEED_FORWARD).orElse(null);
        TargetModules none = new TargetModules.Names(List.of());
        return new Ia3(
                ModuleSelection.from(settings, fromFile),
                listed instanceof List<?> list && list.isEmpty()
                        ? none
                        : ModuleSelection.modules(settings, FEED_FORWARD, fromFile),
                settings.flag(INIT, true));
    }

    /** The layers whose input is scaled. */
    TargetModules feedForward(CausalLM model) {
        return feedForward == null
                ? DefaultTargets.find("IA3_FEEDFORWARD", model).orElse(new TargetModules.Names(List.of()))
                : feedForward;
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public boolean worksOnSlices() {
        return true;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        TargetModules scaledInputs = feedForward(model);
        return (path, linear) -> new Ia3Layer(model, this, path, linear, scaledInputs.matches(path), trainable);
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.ADDITION;
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        return toJson(feedForward);
    }

    @Override
    public Map<String, @Nullable Object> toJson(CausalLM model) {
        return toJson(feedForward(model));
    }

    private Map<String, @Nullable Object> toJson(@Nullable TargetModules scaledInputs) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put(
                FEED_FORWARD,
                scaledInputs instanceof TargetModules.Names names
                        ? names.names()
                        : scaledInputs instanceof TargetModules.Regex regex ? regex.pattern() : null);
        json.put(INIT, neutral);
        return json;
    }
}
