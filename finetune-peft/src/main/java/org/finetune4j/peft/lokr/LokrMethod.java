package org.finetune4j.peft.lokr;

import org.finetune4j.peft.LinearMethod;

/** Makes LoKr from settings, and reads its adapters. */
public final class LokrMethod extends LinearMethod {

    /** Made by the service loader. */
    public LokrMethod() {
        super("lokr", Lokr.PEFT_TYPE, Lokr::from);
    }
}
