package org.finetune4j.strategy;

import java.util.Map;
import org.finetune4j.tensor.Tensor;

/**
 * An adapter that may train other parameters than its file holds: a small network makes the stored values, and is thrown
 * away when the adapter is exported. {@link #save} keeps the network, so that training can go on.
 */
public interface ReparameterizedAdapter extends Adapter {

    /**
     * Makes the stored values from these parameters from now on.
     *
     * @param values all parameters of the network by the keys of {@link #parametersByKey()}
     * @throws org.finetune4j.UserErrorException when a parameter is missing, unknown or has another shape
     */
    void useParameters(Map<String, Tensor> values);
}
