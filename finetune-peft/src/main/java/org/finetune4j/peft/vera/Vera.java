package org.finetune4j.peft.vera;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.ModuleSelection;
import org.jspecify.annotations.Nullable;

/**
 * Vector-based random matrix adaptation (Kopiczko et al. 2024): as LoRA, but A and B are random, frozen and shared by all layers;
 * every layer learns two vectors that scale them. The settings have PEFT's names and defaults.
 *
 * @param rank of the shared matrices
 * @param dropout probability of dropping an element of the input in training
 * @param initialD what every element of d starts from
 * @param projectionKey the seed that the shared matrices are drawn with
 * @param saveProjection whether the shared matrices are written into the adapter's file
 * @param neutral whether the adapter changes nothing at first: b zero, d {@code initialD}
 * @param modules which layers, and which modules train as a whole
 */
public record Vera(
        int rank,
        double dropout,
        double initialD,
        long projectionKey,
        boolean saveProjection,
        boolean neutral,
        ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "VERA";

    /**
     * {@return PEFT's defaults for these modules}
     *
     * @param modules which layers are adapted, and which modules train as a whole
     */
    public static Vera of(ModuleSelection modules) {
        return new Vera(256, 0, 0.1, 0, true, true, modules);
    }

    static Vera from(Settings settings, ModuleSelection modules) {
        return new Vera(
                settings.integer("r", 256, 1, Settings.LARGEST_SIZE),
                settings.number("vera_dropout", 0, 0, 0.999),
                settings.number("d_initial", 0.1),
                settings.integer("projection_prng_key", 0),
                settings.flag("save_projection", true),
                settings.flag("init_weights", true),
                modules);
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
        long in = targets.values().stream()
                .mapToLong(Linear::wholeInFeatures)
                .max()
                .orElseThrow();
        long out = targets.values().stream()
                .mapToLong(Linear::wholeOutFeatures)
                .max()
                .orElseThrow();
        VeraProjection projection = new VeraProjection(model, this, in, out);
        return LayerFactory.sharing(
                projection, (path, linear) -> new VeraLayer(model, this, projection, path, linear, trainable));
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("vera_dropout", dropout);
        json.put("d_initial", initialD);
        json.put("projection_prng_key", projectionKey);
        json.put("save_projection", saveProjection);
        json.put("init_weights", neutral);
        return json;
    }
}
