package org.finetune4j.peft.miss;

import org.finetune4j.peft.LinearMethod;

/** Makes MiSS from settings, and reads its adapters. */
public final class MissMethod extends LinearMethod {

    /** Made by the service loader. */
    public MissMethod() {
        super("miss", Miss.PEFT_TYPE, Miss::from);
    }
}
