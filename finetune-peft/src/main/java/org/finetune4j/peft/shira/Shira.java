package org.finetune4j.peft.shira;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.strategy.DeltaKind;
import org.jspecify.annotations.Nullable;

/**
 * SHiRA (Bhardwaj et al. 2024, arXiv:2406.13175, sparse high-rank adapters): a few elements of each weight train, as many as LoRA of the same
 * rank would have numbers. The settings have PEFT's names and defaults.
 *
 * @param rank {@code r (in + out)} elements of a layer train
 * @param seed which ones, or null for others every time; the adapter's file has them
 * @param neutral whether the adapter changes nothing at first
 * @param modules which layers, and which modules train as a whole
 */
public record Shira(int rank, @Nullable Integer seed, boolean neutral, ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "SHIRA";

    static Shira from(Settings settings, ModuleSelection modules) {
        if (!settings.text("mask_type").orElse("random").equals("random")) {
            throw settings.invalid("mask_type", "random");
        }
        return new Shira(
                settings.integer("r", 32, 1, Settings.LARGEST_SIZE),
                settings.has("random_seed") ? settings.integer("random_seed", 0) : null,
                settings.flag("init_weights", true),
                modules);
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.SPECIFICATION;
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
        return (path, linear) -> new ShiraLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("mask_type", "random");
        json.put("random_seed", seed);
        json.put("init_weights", neutral);
        return json;
    }
}
