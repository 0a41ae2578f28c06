package org.finetune4j.peft.fourierft;

import org.finetune4j.peft.LinearMethod;

/** Makes FourierFT from settings, and reads its adapters. */
public final class FourierFtMethod extends LinearMethod {

    /** Made by the service loader. */
    public FourierFtMethod() {
        super("fourierft", FourierFt.PEFT_TYPE, FourierFt::from);
    }
}
