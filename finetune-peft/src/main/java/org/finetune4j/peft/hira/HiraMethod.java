package org.finetune4j.peft.hira;

import org.finetune4j.peft.LinearMethod;

/** Makes HiRA from settings, and reads its adapters. */
public final class HiraMethod extends LinearMethod {

    /** Made by the service loader. */
    public HiraMethod() {
        super("hira", Hira.PEFT_TYPE, Hira::from);
    }
}
