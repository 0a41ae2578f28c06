package org.finetune4j.peft.prompt;

import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Prompt;
import org.finetune4j.peft.AdapterConstruction;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.promptlearning.PromptAdapter;
import org.finetune4j.peft.promptlearning.PromptEncoder;
import org.finetune4j.peft.promptlearning.PromptInitialization;
import org.finetune4j.peft.promptlearning.PromptKeys;
import org.finetune4j.peft.promptlearning.PromptKeys.Sizes;
import org.finetune4j.strategy.DeltaKind;
import org.jspecify.annotations.Nullable;

/** A method that puts learned vectors before those of the tokens; methods differ in what makes the vectors. */
abstract class EmbeddingPrompt implements PeftStrategy {

    private final String method;
    private final Sizes madeFor;
    private final boolean stored;

    /**
     * @param madeFor the base model of a stored adapter
     * @param stored whether the settings are those of an adapter that lies in a directory
     */
    EmbeddingPrompt(String method, Sizes madeFor, boolean stored) {
        this.method = method;
        this.madeFor = madeFor;
        this.stored = stored;
    }

    /** What makes the vectors, with values to start from. */
    abstract PromptEncoder encoder(CausalLM model, boolean trainable);

    /** PEFT's configuration. */
    abstract Map<String, @Nullable Object> configuration(CausalLM model);

    /** Whether the settings are those of an adapter that lies in a directory. */
    final boolean isStored() {
        return stored;
    }

    @Override
    public final String method() {
        return method;
    }

    @Override
    public final DeltaKind deltaKind() {
        return DeltaKind.ADDITION;
    }

    @Override
    public final boolean mergesIntoBase() {
        return false;
    }

    @Override
    public final double defaultLearningRate() {
        return PromptInitialization.LEARNING_RATE;
    }

    @Override
    public final PromptAdapter attach(CausalLM model, boolean trainable) {
        try (AdapterConstruction construction = AdapterConstruction.on(model)) {
            madeFor.check(PromptKeys.ofEmbeddings(model));
            return construction.complete(PromptAdapter.attach(
                    model,
                    () -> encoder(model, trainable),
                    Prompt.Embeddings::new,
                    configuration(model),
                    stored,
                    trainable));
        }
    }
}
