package org.finetune4j.peft;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.nn.Parameter;

/** Weights that stand in the place of the base's while an adapter is enabled. They do not train. */
final class ReplacedWeights implements AdapterPart {

    private final List<ReplacedParameter> replaced;
    private final Map<String, Parameter> byKey;

    /**
     * @param replaced what is exchanged
     * @param byKey those of the replacements that the adapter's file holds
     */
    ReplacedWeights(List<ReplacedParameter> replaced, Map<String, Parameter> byKey) {
        this.replaced = List.copyOf(replaced);
        this.byKey = new LinkedHashMap<>(byKey);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        return byKey;
    }

    @Override
    public void enable() {
        for (ReplacedParameter parameter : replaced) {
            if (!parameter.isFree()) {
                throw new UserErrorException("'" + parameter.replacement().name()
                        + "' is another adapter's already: disable that adapter before another");
            }
        }
        replaced.forEach(ReplacedParameter::install);
    }

    @Override
    public void disable() {
        replaced.forEach(ReplacedParameter::putBack);
    }

    /** The weights stand in the model already. */
    @Override
    public void merge(boolean keepTies) {
        replaced.forEach(parameter -> FiniteValues.require(
                parameter.replacement().name(), parameter.replacement().value()));
    }

    @Override
    public void unmerge() {}

    @Override
    public void free() {
        replaced.forEach(parameter -> parameter.replacement().close());
    }
}
