package org.finetune4j.peft.gralora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftKeys;
import org.jspecify.annotations.Nullable;

/**
 * GraLoRA (Jung et al. 2025, arXiv:2505.20355, granular low-rank adaptation): the weight is cut into {@code blocks} by {@code blocks}
 * parts, each with a low-rank product of its own; the numbers are those of LoRA, the rank of the whole change is higher. The settings
 * have PEFT's names and defaults.
 *
 * @param rank of all parts of a row of parts together, which {@code blocks} divides
 * @param alpha the scale is {@code alpha / (rank + hybridRank)}
 * @param blocks into how many blocks inputs and outputs are cut ({@code gralora_k})
 * @param hybridRank of an ordinary LoRA beside it, 0 for none
 * @param dropout probability of dropping an element of the input in training
 * @param neutral whether the adapter changes nothing at first
 * @param modules which layers, and which modules train as a whole
 */
public record GraLora(
        int rank, double alpha, int blocks, int hybridRank, double dropout, boolean neutral, ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "GRALORA";

    /**
     * {@return PEFT's defaults for these modules}
     *
     * @param modules which layers are adapted, and which modules train as a whole
     */
    public static GraLora of(ModuleSelection modules) {
        return new GraLora(32, 64, 2, 0, 0, true, modules);
    }

    static GraLora from(Settings settings, ModuleSelection modules) {
        int rank = settings.integer("r", 32, 1, Settings.LARGEST_SIZE);
        int blocks = settings.integer("gralora_k", 2, 1, Settings.LARGEST_SIZE);
        if (rank % blocks != 0) {
            throw settings.invalid("gralora_k", "a divisor of r, which is " + rank);
        }
        return new GraLora(
                rank,
                settings.number("alpha", 64),
                blocks,
                settings.integer("hybrid_r", 0, 0, Settings.LARGEST_SIZE),
                settings.number("gralora_dropout", 0, 0, 0.999),
                settings.flag("init_weights", true),
                modules);
    }

    double scale() {
        return alpha / (rank + hybridRank);
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
        return (path, linear) -> new GraLoraLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("alpha", PeftKeys.number(alpha));
        json.put("gralora_k", blocks);
        json.put("hybrid_r", hybridRank);
        json.put("gralora_dropout", dropout);
        json.put("init_weights", neutral);
        return json;
    }
}
