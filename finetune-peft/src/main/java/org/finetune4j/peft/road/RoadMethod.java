package org.finetune4j.peft.road;

import org.finetune4j.peft.LinearMethod;

/** Makes RoAd from settings, and reads its adapters. */
public final class RoadMethod extends LinearMethod {

    /** Made by the service loader. */
    public RoadMethod() {
        super("road", Road.PEFT_TYPE, Road::from);
    }
}
