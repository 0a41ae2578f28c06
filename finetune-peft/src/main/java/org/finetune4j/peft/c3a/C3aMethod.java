package org.finetune4j.peft.c3a;

import org.finetune4j.peft.LinearMethod;

/** Makes C3A from settings, and reads its adapters. */
public final class C3aMethod extends LinearMethod {

    /** Made by the service loader. */
    public C3aMethod() {
        super("c3a", C3a.PEFT_TYPE, C3a::from);
    }
}
