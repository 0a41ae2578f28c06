package org.finetune4j.peft;

import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.FineTuningStrategy;

/** A method that makes an adapter in PEFT's format. */
public interface PeftStrategy extends FineTuningStrategy {

    /**
     * Attaches the adapter to a model and enables it.
     *
     * @param model gets the adapter
     * @param trainable whether its parameters train
     * @return the adapter, which the caller closes
     * @throws UserErrorException when the settings do not fit the model
     */
    PeftAdapter attach(CausalLM model, boolean trainable);

    /**
     * Makes the adapter, which the model does not compute with yet.
     *
     * @param model the adapter is for
     * @param trainable whether its parameters train
     * @return the adapter, which the caller closes
     * @throws UserErrorException when the settings do not fit the model, or the method cannot lie beside others
     */
    default PeftAdapter create(CausalLM model, boolean trainable) {
        throw new UserErrorException(
                "adapters of " + method() + " cannot be used side by side with others: only those can that"
                        + " change the output of linear layers, as LoRA does");
    }

    @Override
    default PeftAdapter attach(CausalLM model) {
        return attach(model, true);
    }
}
