package org.finetune4j.peft.promptlearning;

import java.util.Map;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/** What makes the numbers of all virtual tokens from parameters that train. */
public interface PromptEncoder {

    /** The name that PEFT gives the table of virtual tokens in memory. */
    String TABLE = "embedding.weight";

    /** {@return the parameters by the names that PEFT gives them in memory, such as {@value #TABLE}} */
    Map<String, Parameter> parameters();

    /**
     * Makes the virtual tokens, recorded where autograd is on.
     *
     * @param dropout whether elements are dropped on the way
     * @return [virtualTokens, width]
     */
    Tensor encode(Dropout dropout);

    /** {@return whether the parameters are the virtual tokens themselves} */
    default boolean isTable() {
        return false;
    }
}
