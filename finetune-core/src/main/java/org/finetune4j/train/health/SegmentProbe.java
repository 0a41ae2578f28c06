package org.finetune4j.train.health;

import java.util.IdentityHashMap;
import java.util.Map;
import java.util.function.BiPredicate;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Runs a batch through a model, segment by segment, and shows what each of them gives. */
final class SegmentProbe {

    private SegmentProbe() {}

    /**
     * Runs forwards without dropout and without recording.
     *
     * @param visitor is given each segment's name and its output [batch, seq, hidden], and says whether to go on
     * @return whether it wanted to see everything
     */
    static boolean run(CausalLM model, ModelInputs inputs, BiPredicate<String, Tensor> visitor) {
        DecoderModel network = model.network();
        Map<Module, String> names = new IdentityHashMap<>();
        network.namedModules().forEach((name, module) -> names.put(module, name));
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            SequenceContext context = model.context(inputs);
            Tensor hidden = network.embed(model.inputIds(inputs), context, model.computeDType());
            if (!visitor.test(nameOf(names, network.inputEmbedding()), hidden)) {
                return false;
            }
            for (DecoderLayer layer : network.layers()) {
                Tensor next = layerOutput(layer, hidden, context);
                hidden.close();
                hidden = next;
                if (!visitor.test(nameOf(names, layer), hidden)) {
                    return false;
                }
            }
            return visitor.test("the final norm", network.finalNorm(hidden));
        }
    }

    private static Tensor layerOutput(DecoderLayer layer, Tensor hidden, SequenceContext context) {
        try (TensorScope scope = TensorScope.open()) {
            return scope.keep(layer.forward(hidden, context));
        }
    }

    private static String nameOf(Map<Module, String> names, Module module) {
        return names.getOrDefault(module, module.getClass().getSimpleName());
    }
}
