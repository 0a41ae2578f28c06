package org.finetune4j.peft.promptlearning;

import java.util.Map;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

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

    /** {@return how many tasks it makes virtual tokens for} */
    default int tasks() {
        return 1;
    }

    /**
     * Makes the virtual tokens of tasks, recorded where autograd is on.
     *
     * @param taskIds the task of every row, from 0, or null where nobody says
     * @param dropout whether elements are dropped on the way
     * @return [virtualTokens, width] for all rows, or [rows, virtualTokens, width]
     * @throws org.finetune4j.UserErrorException when there are several tasks and a row's is not said or not there
     */
    default Tensor encode(int @Nullable [] taskIds, Dropout dropout) {
        return encode(dropout);
    }

    /**
     * {@return the names in PEFT's file by those of the parameters, where the file holds the parameters; empty where it holds what they
     * make, and not them}
     */
    default Map<String, String> stored() {
        return Map.of();
    }
}
