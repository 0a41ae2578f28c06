package org.finetune4j.cli.advise;

import org.finetune4j.dist.plan.Layout;
import org.finetune4j.train.memory.MemoryPlan;

/**
 * One way to train with what the planner says of it.
 *
 * @param method full, lora or qlora
 * @param layout over the devices
 * @param memory of the device that needs most
 * @param secondsPerSample of training
 */
record Choice(Kind method, Layout layout, MemoryPlan memory, double secondsPerSample) {

    /** What trains on what. */
    enum Kind {
        /** All weights. */
        FULL,
        /** LoRA on weights as they are. */
        LORA,
        /** LoRA on weights of 4 bits. */
        QLORA
    }
}
