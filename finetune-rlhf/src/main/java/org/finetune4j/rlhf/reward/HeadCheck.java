package org.finetune4j.rlhf.reward;

import java.nio.file.Path;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.train.preflight.Findings;
import org.finetune4j.train.preflight.PreflightCheck;
import org.finetune4j.train.preflight.PreflightContext;

/** A reward head that is new has to train: what it gives is nothing otherwise, and no file would have it. */
final class HeadCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        DecoderModel network = context.model().network();
        Path directory = context.model().directory();
        boolean isNew = directory == null || !ModelConfig.load(directory).isSequenceClassifier();
        if (isNew && !network.outputLayer().isTrainable()) {
            findings.error("method " + context.method() + " does not train the reward head '"
                    + network.nameOf(network.outputLayer())
                    + "', which is new and would stay random: choose a method that does, such as lora");
        }
    }
}
