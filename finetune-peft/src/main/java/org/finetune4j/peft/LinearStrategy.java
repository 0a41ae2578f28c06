package org.finetune4j.peft;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.strategy.DeltaKind;
import org.jspecify.annotations.Nullable;

/**
 * A method that does the same thing to every linear layer of a selection. It is a record of its settings, which says what is added to
 * a layer; the rest follows.
 */
public interface LinearStrategy extends PeftStrategy {

    /** {@return PEFT's name, such as {@code OFT}} */
    String peftType();

    /** {@return PEFT's name in small letters} */
    @Override
    default String method() {
        return peftType().toLowerCase(Locale.ROOT);
    }

    /** {@return which layers are adapted, and which modules train as a whole} */
    ModuleSelection modules();

    /** {@return the method's own settings under PEFT's keys, without those of {@link #modules()}} */
    Map<String, @Nullable Object> toJson();

    /**
     * {@return the method's own settings as they are on a model}
     *
     * @param model that the adapter is on
     */
    default Map<String, @Nullable Object> toJson(CausalLM model) {
        return toJson();
    }

    /**
     * {@return what makes the parts of an adapter, called with autograd off}
     *
     * @param model that the adapter is for
     * @param targets the selected layers by path
     * @param trainable whether the parameters train
     */
    LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable);

    /** {@return whether its layers can be on linear layers of which several ranks have slices, see {@link AdapterSlices}} */
    default boolean worksOnSlices() {
        return false;
    }

    @Override
    default DeltaKind deltaKind() {
        return DeltaKind.REPARAMETERISATION;
    }

    @Override
    default PeftAdapter attach(CausalLM model, boolean trainable) {
        return PeftAdapter.enabled(create(model, trainable));
    }

    @Override
    default PeftAdapter create(CausalLM model, boolean trainable) {
        return LinearAdapter.create(model, this, trainable);
    }

    @Override
    default Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        toJson().forEach((key, value) -> {
            if (value != null && !(value instanceof Map<?, ?> map && map.isEmpty())) {
                shown.put(key, value);
            }
        });
        shown.put("target_modules", modules().describeTargets());
        return shown;
    }
}
