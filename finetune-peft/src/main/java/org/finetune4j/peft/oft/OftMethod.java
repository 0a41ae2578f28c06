package org.finetune4j.peft.oft;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes OFT from settings, and reads its adapters. */
public final class OftMethod extends PeftMethod {

    /** Made by the service loader. */
    public OftMethod() {
        super("oft", OftConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return Oft.of(OftConfig.from(settings, fromFile));
    }
}
