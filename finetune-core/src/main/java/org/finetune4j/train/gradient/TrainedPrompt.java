package org.finetune4j.train.gradient;

import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Prompt;
import org.finetune4j.nn.PromptExtension;
import org.finetune4j.tensor.Autograd;
import org.jspecify.annotations.Nullable;

/**
 * The virtual tokens of one pass, which all layers read.
 *
 * @param prompt what the layers read, or null without a prompt
 */
record TrainedPrompt(@Nullable Prompt prompt) {

    /** Makes the model's virtual tokens, if it has any, as leaves of {@code shared}. */
    static TrainedPrompt of(CausalLM model, ModelInputs inputs, Dropout dropout, SharedInputs shared) {
        PromptExtension extension = model.promptExtension();
        if (extension == null) {
            return new TrainedPrompt(null);
        }
        try (Autograd.Mode mode = Autograd.enabled()) {
            return new TrainedPrompt(extension
                    .prompt(inputs.taskIds(), model.computeDType(), dropout)
                    .map(shared::leaf));
        }
    }

    /** The tokens that run through the layers: virtual embeddings are routed to experts as real tokens are. */
    ModelInputs routed(ModelInputs inputs) {
        return prompt instanceof Prompt.Embeddings embeddings ? inputs.withVirtual(embeddings.length()) : inputs;
    }
}
