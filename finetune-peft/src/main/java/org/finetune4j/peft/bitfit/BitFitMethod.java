package org.finetune4j.peft.bitfit;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes BitFit from settings, and reads its deltas. */
public final class BitFitMethod extends PeftMethod {

    /** Made by the service loader. */
    public BitFitMethod() {
        super("bitfit", BitFit.TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return BitFit.of(settings.texts(BitFit.TARGETS));
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
