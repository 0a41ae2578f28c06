package org.finetune4j.verify;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.ReparameterizedAdapter;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** Checks what files hold about virtual tokens: their own logits, and the parameters that made them. */
final class PromptChecks {

    /** Parameters that the adapter's own file does not hold. */
    static final String PARAMETER = "param.";

    private final CausalLM model;
    private final @Nullable Adapter adapter;
    private final Tolerances tolerances;

    PromptChecks(CausalLM model, @Nullable Adapter adapter, Tolerances tolerances) {
        this.model = model;
        this.adapter = adapter;
        this.tolerances = tolerances;
    }

    /** Compares logits, with those of virtual tokens where the file has them. */
    Check logits(String name, ModelInputs inputs, Tensor expected) {
        int virtual = (int) expected.size(1) - inputs.sequenceLength();
        if (virtual == 0 || virtual != model.virtualTokens()) {
            return GoldenVerifier.compareWhereReal(
                    name, model.logits(inputs), expected, inputs.attentionMask(), tolerances.logits());
        }
        Tensor hidden = model.hiddenStates(inputs, model.context(inputs)); // [batch, virtual + seq, hidden]
        return GoldenVerifier.compareWhereReal(
                name,
                model.scores(hidden, null),
                expected,
                inputs.withVirtual(virtual).attentionMask(),
                tolerances.logits());
    }

    /** Lets the adapter's virtual tokens be made by the recorded parameters: the logits must stay what they are. */
    void useParameters(GoldenFile golden, List<String> names, Consumer<Check> sink) {
        if (!(adapter instanceof ReparameterizedAdapter reparameterized)) {
            names.forEach(name -> sink.accept(Check.failed(name, "the adapter has no such parameter")));
            return;
        }
        try (TensorScope scope = TensorScope.open()) {
            Map<String, Tensor> values = new LinkedHashMap<>();
            names.forEach(name -> values.put(name.substring(PARAMETER.length()), golden.tensor(name)));
            reparameterized.useParameters(values);
            if (golden.has("logits")) {
                sink.accept(logits("logits from " + PARAMETER + "*", golden.inputs(""), golden.tensor("logits")));
            }
        }
    }
}
