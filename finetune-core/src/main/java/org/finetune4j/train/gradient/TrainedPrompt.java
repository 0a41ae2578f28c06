package org.finetune4j.train.gradient;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Prompt;
import org.finetune4j.nn.PromptExtension;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The virtual tokens of one pass. All layers read the same ones, but libtorch sees one layer at a time: so the layers read
 * leaves, in which their gradients add up, and these are pushed through what made the virtual tokens once, at the end.
 */
final class TrainedPrompt {

    private final @Nullable Prompt made;
    private final @Nullable Prompt leaves;

    private TrainedPrompt(@Nullable Prompt made, @Nullable Prompt leaves) {
        this.made = made;
        this.leaves = leaves;
    }

    /** Makes the model's virtual tokens, if it has any. */
    static TrainedPrompt of(CausalLM model, ModelInputs inputs, Dropout dropout) {
        PromptExtension extension = model.promptExtension();
        if (extension == null) {
            return new TrainedPrompt(null, null);
        }
        try (Autograd.Mode mode = Autograd.enabled()) {
            Prompt made = extension.prompt(inputs.taskIds(), model.computeDType(), dropout);
            return new TrainedPrompt(made, made.map(TrainedPrompt::leaf));
        }
    }

    private static Tensor leaf(Tensor tensor) {
        return tensor.requiresGrad() ? tensor.detach().requiresGrad(true) : tensor.detach();
    }

    /** What the layers read, or null without a prompt. */
    @Nullable
    Prompt prompt() {
        return leaves;
    }

    /** The tokens that run through the layers: virtual embeddings are routed to experts as real tokens are. */
    ModelInputs routed(ModelInputs inputs) {
        return leaves instanceof Prompt.Embeddings embeddings ? inputs.withVirtual(embeddings.length()) : inputs;
    }

    /** Adds the gradients of the method's parameters to their own. */
    void backward() {
        if (made == null || leaves == null) {
            return;
        }
        List<Tensor> outputs = new ArrayList<>();
        List<Tensor> gradients = new ArrayList<>();
        for (int i = 0; i < leaves.tensors().size(); i++) {
            Tensor gradient = leaves.tensors().get(i).grad();
            if (gradient != null) {
                outputs.add(made.tensors().get(i));
                gradients.add(gradient);
            }
        }
        if (!outputs.isEmpty()) {
            Autograd.backward(outputs.toArray(Tensor[]::new), gradients.toArray(Tensor[]::new));
        }
    }
}
