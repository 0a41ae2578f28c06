package org.finetune4j.peft.lora;

import java.nio.file.Path;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.AdapterReader;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.strategy.RowAdapterPool;

/** Makes LoRA from settings, and reads LoRA and DoRA adapters that PEFT, or this library, wrote. */
public final class LoraMethod extends PeftMethod {

    /** Made by the service loader. */
    public LoraMethod() {
        super("lora", LoraConfigJson.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return Lora.of(LoraConfigJson.fromSettings(settings, fromFile));
    }

    @Override
    public RowAdapterPool pool(CausalLM model) {
        return new LoraPool(model, directory -> aside(model, directory));
    }

    private static LoraAdapter aside(CausalLM model, Path directory) {
        return AdapterReader.aside(
                model,
                directory,
                settings -> LoraAdapter.create(model, LoraConfigJson.fromSettings(settings, true), false));
    }
}
