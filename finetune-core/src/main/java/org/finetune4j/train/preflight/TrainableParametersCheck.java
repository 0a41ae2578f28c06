package org.finetune4j.train.preflight;

import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Parameter;

/** Something trains, and it can. */
public final class TrainableParametersCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        if (context.strategy().trainableParameters().isEmpty()) {
            findings.error("method " + context.method()
                    + " trains nothing: its patterns match no parameter; name layers of the model, or leave them out");
        }
        DecoderModel network = context.model().network();
        if (network.pooling() != null && !network.outputLayer().isTrainable()) {
            findings.warning("method " + context.method() + " does not train the classifier's head '"
                    + network.nameOf(network.outputLayer())
                    + "': one that is new stays random; train with lora or full");
        }
        for (Parameter parameter : context.strategy().trainableParameters()) {
            if (!parameter.dtype().isFloatingPoint()) {
                findings.error(parameter.name() + " is stored as " + parameter.dtype() + " and cannot be trained");
            }
        }
    }
}
