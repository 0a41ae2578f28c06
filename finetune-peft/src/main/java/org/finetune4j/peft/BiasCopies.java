package org.finetune4j.peft;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.finetune4j.model.CausalLM;

/** The biases of the base that PEFT's {@code bias} setting trains beside a method. */
public final class BiasCopies {

    private BiasCopies() {}

    /**
     * Copies of biases, norms' included.
     *
     * @param model whose biases they are
     * @param targeted the paths of the modules that the method adapts; PEFT has their own bias under {@code base_layer}
     * @param saved the paths of modules that train as a whole, with their biases
     * @param ofTargets whether their biases train
     * @param ofOthers whether all other biases train
     * @param trainable whether copies train at all
     * @return the copies, not yet in the model
     */
    public static List<TrainedCopy> of(
            CausalLM model,
            Collection<String> targeted,
            Collection<String> saved,
            boolean ofTargets,
            boolean ofOthers,
            boolean trainable) {
        List<TrainedCopy> copies = new ArrayList<>();
        model.network().namedModules().forEach((path, module) -> {
            boolean isTarget = targeted.contains(path);
            if (module.ownParameters().containsKey("bias")
                    && !saved.contains(path)
                    && (isTarget ? ofTargets : ofOthers)) {
                String key = AdapterWeights.PREFIX + path + (isTarget ? ".base_layer.bias" : ".bias");
                copies.add(TrainedCopy.of(key, path, module, "bias", AdapterDType.of(model), trainable));
            }
        });
        return copies;
    }
}
