package org.finetune4j.peft.xlora;

import org.finetune4j.Settings;
import org.finetune4j.peft.AdapterFiles;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes X-LoRA from settings, and reads its adapters. */
public final class XLoraMethod extends PeftMethod {

    static final String NAME = "xlora";

    /** Made by the service loader. */
    public XLoraMethod() {
        super(NAME, XLoraConfig.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return new XLora(XLoraConfig.from(settings, null));
    }

    @Override
    protected PeftStrategy read(AdapterFiles files) {
        return new XLora(XLoraConfig.from(files.settings(), files.directory()));
    }
}
