package org.finetune4j.peft.adapter;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.AdapterConstruction;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.strategy.DeltaKind;

/**
 * Bottleneck adapters: the model stays as it is, and small networks with a narrow middle learn what to add after its blocks
 * (Houlsby et al. 2019, Pfeiffer et al. 2021) or beside them (He et al. 2022).
 *
 * <pre>{@code
 * BottleneckAdapters.of(BottleneckConfig.pfeiffer(new Bottleneck.Size(64)))
 * }</pre>
 */
public final class BottleneckAdapters implements PeftStrategy {

    private final BottleneckConfig config;
    private final String name;

    BottleneckAdapters(BottleneckConfig config, String name) {
        this.config = config;
        this.name = name;
    }

    /**
     * {@return adapters with these settings}
     *
     * @param config the settings
     */
    public static BottleneckAdapters of(BottleneckConfig config) {
        return new BottleneckAdapters(config, AdapterSet.DEFAULT);
    }

    @Override
    public String method() {
        return BottleneckMethod.NAME;
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.ADDITION;
    }

    @Override
    public boolean mergesIntoBase() {
        return false;
    }

    @Override
    public double defaultLearningRate() {
        // AdapterHub's advice.
        return 1e-4;
    }

    @Override
    public BottleneckAdapter attach(CausalLM model, boolean trainable) {
        try (AdapterConstruction construction = AdapterConstruction.on(model)) {
            return construction.complete(BottleneckAdapter.attach(model, config, name, trainable));
        }
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("mh_adapter", config.attention());
        shown.put("output_adapter", config.output());
        shown.put("input", config.input().name());
        shown.put("bottleneck", config.bottleneck().toString());
        shown.put("non_linearity", config.nonLinearity());
        shown.put("scaling", config.scaling());
        return shown;
    }
}
