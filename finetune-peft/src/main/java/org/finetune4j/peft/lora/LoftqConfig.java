package org.finetune4j.peft.lora;

import org.finetune4j.UserErrorException;

/**
 * How LoftQ (Li et al. 2023) calculates the start of LoRA: PEFT's {@code loftq_config}.
 *
 * @param bits those of the base: 4 or 8
 * @param iterations how often the base is quantised; after more than one it is another base than before
 */
public record LoftqConfig(int bits, int iterations) {

    /** PEFT's defaults: 4 bits, one iteration. */
    public static final LoftqConfig DEFAULT = new LoftqConfig(4, 1);

    /**
     * Checks the numbers.
     *
     * @param bits those of the base: 4 or 8
     * @param iterations how often the base is quantised; after more than one it is another base than before
     * @throws UserErrorException when one is out of its range
     */
    public LoftqConfig {
        if (bits != 4 && bits != 8) {
            throw new UserErrorException("loftq_config: 'loftq_bits' is " + bits + ", expected 4 or 8");
        }
        if (iterations < 1) {
            throw new UserErrorException("loftq_config: 'loftq_iter' is " + iterations + ", expected 1 at least");
        }
    }
}
