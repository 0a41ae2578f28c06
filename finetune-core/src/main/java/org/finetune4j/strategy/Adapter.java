package org.finetune4j.strategy;

import java.util.Map;
import org.finetune4j.nn.Parameter;

/**
 * A method that leaves the base model's weights alone: it is a delta, theta_new = theta_base + delta, that can be switched
 * off and on, kept beside others on one base, and, where the mathematics allows, folded into the base.
 *
 * <p>A new adapter is enabled. Two adapters that change the same place of a model cannot be enabled at once; {@link
 * AdapterSet} keeps several and switches between them.
 */
public interface Adapter extends AttachedStrategy {

    /** {@return the adapter's parameters by the keys that its file has them under} */
    Map<String, Parameter> parametersByKey();

    /** {@return whether the model computes with this adapter, merged or not} */
    boolean isEnabled();

    /**
     * Lets the model compute with this adapter. It changes references only, whatever the size of the model.
     *
     * @throws org.finetune4j.UserErrorException when another enabled adapter changes the same place; then nothing is
     *     changed
     */
    void enable();

    /**
     * Lets the model compute without this adapter, exactly as if it had never been there. It keeps its parameters. A
     * merged adapter is unmerged first.
     */
    void disable();

    /**
     * Folds the adapter into the base weights, so that the model alone gives the same results and can be saved. Where
     * layers share a weight and only one of them is adapted, they share it no longer. The old weights are kept, so that
     * {@link #unmerge()} and {@link #close()} bring them back exactly.
     *
     * @throws org.finetune4j.UserErrorException when this method cannot be folded in, or the adapter is disabled
     */
    void merge();

    /**
     * As {@link #merge()}, but layers that share a weight go on sharing it, which is what PEFT does: where only one of
     * them is adapted, the others change with it and the results are not those of the unmerged model.
     */
    default void mergeKeepingTies() {
        merge();
    }

    /** Takes the adapter out of the base weights again, which get back their very bytes. */
    void unmerge();
}
