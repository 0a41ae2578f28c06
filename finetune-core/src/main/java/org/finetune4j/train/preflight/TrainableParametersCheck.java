package org.finetune4j.train.preflight;

import org.finetune4j.nn.Parameter;

/** Something trains, and it can. */
public final class TrainableParametersCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        if (context.strategy().trainableParameters().isEmpty()) {
            findings.error("method " + context.method()
                    + " trains nothing: its patterns match no parameter; name layers of the model, or leave them out");
        }
        for (Parameter parameter : context.strategy().trainableParameters()) {
            if (!parameter.value().dtype().isFloatingPoint()) {
                findings.error(
                        parameter.name() + " is stored as " + parameter.value().dtype() + " and cannot be trained");
            }
        }
    }
}
