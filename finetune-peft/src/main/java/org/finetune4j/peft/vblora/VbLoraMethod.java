package org.finetune4j.peft.vblora;

import org.finetune4j.peft.LinearMethod;

/** Makes VB-LoRA from settings, and reads its adapters. */
public final class VbLoraMethod extends LinearMethod {

    /** Made by the service loader. */
    public VbLoraMethod() {
        super("vblora", VbLora.PEFT_TYPE, VbLora::from);
    }
}
