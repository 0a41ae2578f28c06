package org.finetune4j.data.supervised;

import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.AlpacaTemplate;
import org.finetune4j.data.PromptTemplate;
import org.finetune4j.data.TokenizationOptions;
import org.finetune4j.data.TruncationPolicy;
import org.jspecify.annotations.Nullable;

/**
 * How examples become samples.
 *
 * @param maxLength the most tokens a sample may have
 * @param truncation what happens to longer ones
 * @param promptTemplate the prompt of instructions, or null to put instructions and prompts into the chat template
 * @param renderer the chat template, or null when there is none
 * @param trainOn which tokens are learned
 * @param chosenOnly whether of a preference pair the chosen answer is learned; otherwise pairs are refused
 */
public record SupervisedOptions(
        int maxLength,
        TruncationPolicy truncation,
        @Nullable PromptTemplate promptTemplate,
        @Nullable ConversationRenderer renderer,
        TrainOn trainOn,
        boolean chosenOnly) {

    public SupervisedOptions {
        Objects.requireNonNull(truncation, "truncation");
        Objects.requireNonNull(trainOn, "trainOn");
        if (maxLength < 2) {
            throw new UserErrorException(
                    "max_length must be at least 2 (a token, and one to predict), got " + maxLength);
        }
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Collects options; what is not set has its default: Alpaca's prompt, completions only, cut on the right. */
    public static final class Builder {

        private int maxLength = TokenizationOptions.DEFAULT_MAX_LENGTH;
        private TruncationPolicy truncation = TruncationPolicy.RIGHT;
        private @Nullable PromptTemplate promptTemplate = new AlpacaTemplate();
        private @Nullable ConversationRenderer renderer;
        private TrainOn trainOn = TrainOn.COMPLETIONS;
        private boolean chosenOnly;

        private Builder() {}

        public Builder maxLength(int value) {
            maxLength = value;
            return this;
        }

        public Builder truncation(TruncationPolicy value) {
            truncation = Objects.requireNonNull(value, "truncation");
            return this;
        }

        public Builder promptTemplate(@Nullable PromptTemplate value) {
            promptTemplate = value;
            return this;
        }

        public Builder renderer(@Nullable ConversationRenderer value) {
            renderer = value;
            return this;
        }

        public Builder trainOn(TrainOn value) {
            trainOn = Objects.requireNonNull(value, "trainOn");
            return this;
        }

        public Builder chosenOnly(boolean value) {
            chosenOnly = value;
            return this;
        }

        /** @throws UserErrorException when {@code maxLength} is below 2 */
        public SupervisedOptions build() {
            return new SupervisedOptions(maxLength, truncation, promptTemplate, renderer, trainOn, chosenOnly);
        }
    }
}
