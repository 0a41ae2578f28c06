package org.finetune4j.peft;

import java.util.Map;
import org.finetune4j.nn.Parameter;

/** What an adapter does at one place of a model: in one layer, one table, or to one parameter. */
public interface AdapterPart {

    /** {@return the parameters of this place by the keys that the adapter's file has them under} */
    Map<String, Parameter> parametersByKey();

    /**
     * {@return the base's own parameters that PEFT writes into the file as well, which must be the same when it is read}
     */
    default Map<String, Parameter> baseParametersByKey() {
        return Map.of();
    }

    /** Told when the parameters got the values of a file. */
    default void restored() {}

    /**
     * Puts the part into the model.
     *
     * @throws org.finetune4j.UserErrorException when another adapter is in the way; then nothing is changed
     */
    void enable();

    /** Takes the part out of the model. */
    void disable();

    /**
     * Folds the enabled part into the base's weights.
     *
     * @param keepTies whether layers that share the weight go on sharing it
     * @throws org.finetune4j.UserErrorException when it cannot be folded in; then nothing is changed
     */
    void merge(boolean keepTies);

    /** Undoes {@link #merge}, which leaves the part enabled. */
    void unmerge();

    /** Frees what the part owns. It is disabled before. */
    void free();
}
