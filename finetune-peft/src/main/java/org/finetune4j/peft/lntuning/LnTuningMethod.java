package org.finetune4j.peft.lntuning;

import org.finetune4j.Settings;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftKeys;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes the tuning of norms from settings, and reads its adapters. */
public final class LnTuningMethod extends PeftMethod {

    /** Made by the service loader. */
    public LnTuningMethod() {
        super("ln_tuning", LnTuning.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        PeftKeys.refuseOthers(settings, LnTuning.PEFT_TYPE, ModuleSelection.keys());
        return LnTuning.of(ModuleSelection.from(settings, fromFile));
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
