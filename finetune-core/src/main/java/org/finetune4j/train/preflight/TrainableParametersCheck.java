package org.finetune4j.train.preflight;

import java.util.Map;
import java.util.Objects;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Module;
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
        Map<String, Module> modules = network.namedModules();
        for (String path : context.model().newModules()) {
            Module module = Objects.requireNonNull(modules.get(path), path);
            if (!module.isTrainable() && module != network.outputLayer()) {
                findings.warning("'" + path + "' is new and random, and method " + context.method()
                        + " does not train it: no adapter would have it");
            }
        }
        for (Parameter parameter : context.strategy().trainableParameters()) {
            if (!parameter.dtype().isFloatingPoint()) {
                findings.error(parameter.name() + " is stored as " + parameter.dtype() + " and cannot be trained");
            }
        }
    }
}
