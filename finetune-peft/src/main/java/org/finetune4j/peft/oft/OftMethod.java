package org.finetune4j.peft.oft;

import org.finetune4j.peft.LinearMethod;

/** Makes OFT from settings, and reads its adapters. */
public final class OftMethod extends LinearMethod {

    /** Made by the service loader. */
    public OftMethod() {
        super("oft", Oft.PEFT_TYPE, Oft::from);
    }
}
