package org.finetune4j.peft;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.jspecify.annotations.Nullable;

/**
 * An adapter that trains some of the base's own parameters, in copies. Its file holds the trained values themselves and
 * nothing of the rest of the base: it is the delta {@code theta_new - theta_base} with zeros left out, stored without the
 * rounding that a difference would bring.
 */
public final class CopyAdapter extends PeftAdapter {

    private final Map<String, @Nullable Object> configuration;

    private CopyAdapter(
            CausalLM model, List<? extends AdapterPart> copies, Map<String, @Nullable Object> configuration) {
        super(model, copies);
        this.configuration = new LinkedHashMap<>(configuration);
    }

    /**
     * Enables the copies.
     *
     * @param model gets the adapter
     * @param copies not yet in the model
     * @param configuration the method's settings under their keys
     * @return the adapter, enabled
     */
    public static CopyAdapter of(
            CausalLM model, List<? extends AdapterPart> copies, Map<String, @Nullable Object> configuration) {
        return enabled(new CopyAdapter(model, copies, configuration));
    }

    @Override
    protected Map<String, @Nullable Object> configuration() {
        return configuration;
    }
}
