package org.finetune4j.peft.xlora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.strategy.DeltaKind;

/**
 * X-LoRA (Buehler and Buehler 2024, arXiv:2402.07148): LoRA adapters that were trained before are mixed token by token. A first pass
 * of the model gives hidden states, a small classifier turns each of them into one scaling for each adapter, and in a second
 * pass every adapter's change of a token is multiplied by its scaling. Only the classifier trains.
 *
 * <pre>{@code
 * new XLora(XLoraConfig.of(Map.of("law", Path.of("runs/law"), "trade", Path.of("runs/trade"))))
 * }</pre>
 *
 * @param config the settings
 */
public record XLora(XLoraConfig config) implements PeftStrategy {

    /** A classifier starts from nothing and has few numbers: what suits a whole model or a LoRA hardly moves it. */
    private static final double LEARNING_RATE = 1e-3;

    @Override
    public String method() {
        return XLoraMethod.NAME;
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.REPARAMETERISATION;
    }

    @Override
    public boolean mergesIntoBase() {
        return false;
    }

    @Override
    public double defaultLearningRate() {
        return LEARNING_RATE;
    }

    @Override
    public XLoraAdapter attach(CausalLM model) {
        return attach(model, true);
    }

    @Override
    public XLoraAdapter attach(CausalLM model, boolean trainable) {
        return XLoraAdapter.attach(model, config, trainable);
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("adapters", List.copyOf(config.adapters().keySet()));
        config.shown().forEach((key, value) -> {
            if (value != null) {
                shown.put(key, value);
            }
        });
        return shown;
    }
}
