package org.finetune4j.peft.shira;

import org.finetune4j.peft.LinearMethod;

/** Makes SHiRA from settings, and reads its adapters. */
public final class ShiraMethod extends LinearMethod {

    /** Made by the service loader. */
    public ShiraMethod() {
        super("shira", Shira.PEFT_TYPE, Shira::from);
    }
}
