package org.finetune4j.train;

import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadBalancing;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Objective;
import org.jspecify.annotations.Nullable;

/**
 * Whether the samples of a batch follow one another in one row, without padding, and share what they begin with alike.
 *
 * @param model that sees the batches
 * @param objective that is computed of them
 * @param arguments of the training
 * @param paddingFree what the user wants; null for whatever objective and model allow
 * @param sharedPrompts whether the user allows beginnings to be shared
 */
record SampleJoining(
        CausalLM model,
        Objective objective,
        TrainingArguments arguments,
        @Nullable Boolean paddingFree,
        boolean sharedPrompts) {

    /**
     * Puts samples together as the training does. Experts whose use is balanced by the loss must see a token as often as it is there, and
     * attention weights that are dropped are those of a sample by itself.
     */
    Collator collator() {
        LoadBalancing balance = model.network().loadBalancing();
        boolean shares = sharedPrompts && (balance == null || !balance.addsToLoss()) && canJoin() && !dropsAttention();
        return shares ? withoutSharing().sharingBeginnings() : withoutSharing();
    }

    /** The same with every sample's beginning its own. */
    Collator withoutSharing() {
        Collator padding = Collator.of(model);
        boolean joins = paddingFree == null ? canJoin() : paddingFree;
        return joins ? padding.withoutPadding() : padding;
    }

    /**
     * Whether nothing asks for a row a sample: cross entropy is of tokens. Virtual tokens begin rows, and noise on embeddings depends on
     * their length.
     */
    private boolean canJoin() {
        return objective instanceof CrossEntropy
                && model.network().isCausal()
                && model.network().pooling() == null
                && model.promptExtension() == null
                && arguments.neftuneNoiseAlpha() == 0;
    }

    private boolean dropsAttention() {
        return model.network().layers().stream()
                .anyMatch(layer -> layer.attention().dropout() > 0);
    }
}
