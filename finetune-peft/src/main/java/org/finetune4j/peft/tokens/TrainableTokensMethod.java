package org.finetune4j.peft.tokens;

import org.finetune4j.Settings;
import org.finetune4j.peft.PeftMethod;
import org.finetune4j.peft.PeftStrategy;

/** Makes the training of tokens' rows from settings, and reads its adapters. */
public final class TrainableTokensMethod extends PeftMethod {

    /** Made by the service loader. */
    public TrainableTokensMethod() {
        super("trainable_tokens", TrainableTokens.PEFT_TYPE);
    }

    @Override
    protected PeftStrategy read(Settings settings, boolean fromFile) {
        return TrainableTokens.from(settings);
    }

    @Override
    public boolean parametersAverage() {
        return true;
    }
}
