package org.finetune4j.peft.vblora;

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
 * VB-LoRA (Li et al. 2024, arXiv:2405.15179): the two matrices of a LoRA are cut into vectors, each of which is a mixture of a few
 * vectors of a bank that all layers share. The settings have PEFT's names and defaults.
 *
 * @param rank of the two matrices
 * @param vectors how many vectors the bank has
 * @param vectorLength their length, which divides a layer's inputs and outputs
 * @param topK of how many of them a vector is mixed
 * @param dropout probability of dropping an element of the input in training
 * @param bankBound the bank starts from uniform values between this and its negative
 * @param logitsDeviation the logits of the mixtures start from normal values of this deviation
 * @param modules which layers, and which modules train as a whole
 */
public record VbLora(
        int rank,
        int vectors,
        int vectorLength,
        int topK,
        double dropout,
        double bankBound,
        double logitsDeviation,
        ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "VBLORA";

    /**
     * {@return PEFT's defaults for these modules}
     *
     * @param modules which layers are adapted, and which modules train as a whole
     */
    public static VbLora of(ModuleSelection modules) {
        return new VbLora(4, 256, 256, 2, 0, 0.02, 0.1, modules);
    }

    static VbLora from(Settings settings, ModuleSelection modules) {
        int vectors = settings.integer("num_vectors", 256, 1, Settings.LARGEST_SIZE);
        return new VbLora(
                settings.integer("r", 4, 1, Settings.LARGEST_SIZE),
                vectors,
                settings.integer("vector_length", 256, 1, Settings.LARGEST_SIZE),
                settings.integer("topk", 2, 1, vectors),
                settings.number("vblora_dropout", 0, 0, 0.999),
                settings.number("init_vector_bank_bound", 0.02, 0, 1e3),
                settings.number("init_logits_std", 0.1, 0, 1e3),
                modules);
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        VectorBank bank = new VectorBank(model, this, trainable);
        return LayerFactory.sharing(
                bank, (path, linear) -> new VbLoraLayer(model, this, bank, path, linear, trainable));
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("num_vectors", vectors);
        json.put("vector_length", vectorLength);
        json.put("topk", topK);
        json.put("vblora_dropout", dropout);
        json.put("init_vector_bank_bound", PeftKeys.number(bankBound));
        json.put("init_logits_std", PeftKeys.number(logitsDeviation));
        return json;
    }
}
