package org.finetune4j.strategy;

import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;

/** A fine-tuning method with its settings. Immutable: it can be attached to any number of models. */
public interface FineTuningStrategy {

    /** {@return the name in configurations, such as {@code lora}} */
    String method();

    /** {@return in what way the method changes a model} */
    DeltaKind deltaKind();

    /**
     * Prepares a model: freezes it, adds what the method adds, and marks what trains. Random initial values come from the
     * random generator in use on this thread.
     *
     * @param model the model to prepare
     * @return the method on this model
     * @throws org.finetune4j.UserErrorException when the settings do not fit the model
     */
    AttachedStrategy attach(CausalLM model);

    /**
     * As {@link #attach(CausalLM)}, for a method that may start from the data that it will be trained on.
     *
     * @param model the model to prepare
     * @param batches of the training, in an order that is the same every time; a method that does not need them reads none
     * @return the method on this model
     */
    default AttachedStrategy attach(CausalLM model, Iterable<Batch> batches) {
        return attach(model);
    }

    /**
     * {@return the learning rate when nobody says one; transformers' default unless the method is known to need another}
     */
    default double defaultLearningRate() {
        return 5e-5;
    }

    /** {@return whether what it learns can be folded into the base's own weights} */
    default boolean mergesIntoBase() {
        return true;
    }

    /** {@return how many tasks it tells apart; with more than one every sequence says which is its own} */
    default int tasks() {
        return 1;
    }

    /** {@return the settings under the names that users know them by, for reports} */
    Map<String, Object> settings();
}
