package org.finetune4j.peft.randlora;

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
 * RandLoRA (Albert et al. 2025, arXiv:2502.00987): the change of a weight is a sum of random low-rank products, so many that it can have full
 * rank, which all layers share; every layer learns their scales. The settings have PEFT's names and defaults.
 *
 * @param rank of one product: the smaller it is, the more products and numbers there are
 * @param alpha what the change is multiplied by, divided by the rank
 * @param dropout probability of dropping an element of the input in training
 * @param projectionKey the seed that the shared matrices are drawn with
 * @param sparsity how many of their elements are not zero
 * @param neutral whether the adapter changes nothing at first
 * @param modules which layers, and which modules train as a whole
 */
public record RandLora(
        int rank,
        double alpha,
        double dropout,
        long projectionKey,
        Sparsity sparsity,
        boolean neutral,
        ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "RANDLORA";

    /** How many elements of the shared matrices are not zero. */
    public enum Sparsity {
        /** All: uniform values. */
        DENSE,
        /** A third, each 1 or -1: PEFT's {@code sparse}. */
        SPARSE,
        /** One among the root of the smaller side: PEFT's {@code very_sparse}. */
        VERY_SPARSE
    }

    /**
     * {@return PEFT's defaults for these modules}
     *
     * @param modules which layers are adapted, and which modules train as a whole
     */
    public static RandLora of(ModuleSelection modules) {
        return new RandLora(32, 640, 0, 0, Sparsity.DENSE, true, modules);
    }

    static RandLora from(Settings settings, ModuleSelection modules) {
        if (!settings.flag("save_projection", true)) {
            throw settings.invalid(
                    "save_projection", "true: PEFT draws the matrices in bfloat16, which is not made again here");
        }
        boolean very = settings.flag("very_sparse", false);
        return new RandLora(
                settings.integer("r", 32, 1, Settings.LARGEST_SIZE),
                settings.number("randlora_alpha", 640),
                settings.number("randlora_dropout", 0, 0, 0.999),
                settings.integer("projection_prng_key", 0),
                very ? Sparsity.VERY_SPARSE : settings.flag("sparse", false) ? Sparsity.SPARSE : Sparsity.DENSE,
                settings.flag("init_weights", true),
                modules);
    }

    /** How many products a layer needs for full rank. */
    long products(long smallerSide) {
        return (smallerSide + rank - 1) / rank;
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
        RandLoraBases bases = new RandLoraBases(model, this, Math.min(in, out), Math.max(in, out));
        return LayerFactory.sharing(
                bases, (path, linear) -> new RandLoraLayer(model, this, bases, path, linear, trainable));
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("randlora_alpha", PeftKeys.number(alpha));
        json.put("randlora_dropout", dropout);
        json.put("projection_prng_key", projectionKey);
        json.put("save_projection", true);
        json.put("sparse", sparsity == Sparsity.SPARSE);
        json.put("very_sparse", sparsity == Sparsity.VERY_SPARSE);
        json.put("init_weights", neutral);
        return json;
    }
}
