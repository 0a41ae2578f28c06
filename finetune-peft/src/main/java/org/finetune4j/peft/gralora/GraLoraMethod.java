package org.finetune4j.peft.gralora;

import org.finetune4j.peft.LinearMethod;

/** Makes GraLoRA from settings, and reads its adapters. */
public final class GraLoraMethod extends LinearMethod {

    /** Made by the service loader. */
    public GraLoraMethod() {
        super("gralora", GraLora.PEFT_TYPE, GraLora::from);
    }
}
