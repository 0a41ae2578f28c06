package org.finetune4j.dist.zero;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.jspecify.annotations.Nullable;

/** To which parameter a state of an optimizer belongs: the one with the longest name that the state's begins with. */
public final class StateOwners {

    private final Map<String, Parameter> byName = new HashMap<>();

    /**
     * Owners of states.
     *
     * @param parameters whose names differ
     */
    public StateOwners(Collection<Parameter> parameters) {
        parameters.forEach(parameter -> byName.put(parameter.name(), parameter));
    }

    /**
     * Whose state it is.
     *
     * @param state its name: the parameter's, a dot and what it is of it
     * @return the parameter, or null where it belongs to none of them
     */
    public @Nullable Parameter of(String state) {
        for (int dot = state.lastIndexOf('.'); dot > 0; dot = state.lastIndexOf('.', dot - 1)) {
            Parameter owner = byName.get(state.substring(0, dot));
            if (owner != null) {
                return owner;
            }
        }
        return null;
    }
}
