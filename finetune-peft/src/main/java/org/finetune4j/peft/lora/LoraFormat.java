package org.finetune4j.peft.lora;

import java.nio.file.Path;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;

/** Reads LoRA adapters that PEFT, or this library, wrote. */
public final class LoraFormat implements AdapterFormat {

    @Override
    public boolean accepts(Path directory) {
        return AdapterConfigFile.isOfType(directory, "LORA");
    }

    @Override
    public Adapter attach(CausalLM model, Path directory, boolean trainable) {
        Settings settings = AdapterConfigFile.read(directory);
        LoraConfig config = LoraConfigJson.fromSettings(settings, false);
        LoraAdapter adapter;
        try {
            adapter = LoraAdapter.attach(model, config, trainable);
        } catch (UserErrorException e) {
            throw new UserErrorException(
                    directory + ": the adapter was made for "
                            + settings.text("base_model_name_or_path").orElse("another base model")
                            + " and does not fit: "
                            + e.getMessage(),
                    e);
        }
        try {
            adapter.restore(directory);
        } catch (RuntimeException e) {
            adapter.close();
            throw e;
        }
        return adapter;
    }
}
