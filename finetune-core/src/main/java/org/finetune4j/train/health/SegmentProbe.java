package org.finetune4j.train.health;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.function.BiPredicate;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.ModelSegments;
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
        List<String> names = names(network);
        try (Autograd.Mode mode = Autograd.disabled();
                ModelSegments segments = ModelSegments.of(model);
                TensorScope scope = TensorScope.open()) {
            boolean[] goesOn = {true};
            SequenceContext context = model.context(inputs);
            Tensor hidden = segments.forward(
                    inputs, context, (segment, output) -> goesOn[0] = visitor.test(names.get(segment), output));
            return goesOn[0] && visitor.test("the final norm", segments.finalNorm(hidden, context));
        }
    }

    private static List<String> names(DecoderModel network) {
        IdentityHashMap<Module, String> all = new IdentityHashMap<>();
        network.namedModules().forEach((name, module) -> all.put(module, name));
        List<Module> segments = new ArrayList<>(List.of(network.inputEmbedding()));
        segments.addAll(network.layers());
        return segments.stream()
                .map(module -> all.getOrDefault(module, module.getClass().getSimpleName()))
                .toList();
    }
}
