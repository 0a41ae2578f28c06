package org.finetune4j.data.supervised;

import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DataSharing;
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
 * @param sharing whether other processes tokenise some of the same data
 * @param tasks how many tasks a method tells apart: with more than one every record says its own as {@code task_id}
 */
public record SupervisedOptions(
        int maxLength,
        TruncationPolicy truncation,
        @Nullable PromptTemplate promptTemplate,
        @Nullable ConversationRenderer renderer,
        TrainOn trainOn,
        boolean chosenOnly,
        DataSharing sharing,
        int tasks) {

    /** TRL's default for {@code max_length}. */
    public static final int DEFAULT_MAX_LENGTH = 1024;

    /**
     * Checks the length.
     *
     * @param maxLength the most tokens a sample may have
     * @param truncation what happens to longer ones
     * @param promptTemplate the prompt of instructions, or null to put instructions and prompts into the chat template
     * @param renderer the chat template, or null when there is none
     * @param trainOn which tokens are learned
     * @param chosenOnly whether of a preference pair the chosen answer is learned; otherwise pairs are refused
     * @param sharing whether other processes tokenise some of the same data
     * @param tasks how many tasks a method tells apart
     * @throws UserErrorException when {@code maxLength} is below 2
     */
    public SupervisedOptions {
        Objects.requireNonNull(truncation, "truncation");
        Objects.requireNonNull(trainOn, "trainOn");
        if (maxLength < 2) {
            throw new UserErrorException(
                    "max_length must be at least 2 (a token, and one to predict), got " + maxLength);
        }
    }

    /**
     * The same options with other tokens to learn.
     *
     * @param newTrainOn which tokens are learned
     * @param newChosenOnly whether of a preference pair the chosen answer is learned
     * @return the new options
     */
    public SupervisedOptions learning(TrainOn newTrainOn, boolean newChosenOnly) {
        return new SupervisedOptions(
                maxLength, truncation, promptTemplate, renderer, newTrainOn, newChosenOnly, sharing, tasks);
    }

    /** {@return a builder with the defaults: Alpaca's prompt, no chat template, completions only} */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * {@return the same with another chat template}
     *
     * @param other the chat template, or null when there is none
     */
    public SupervisedOptions withRenderer(@Nullable ConversationRenderer other) {
        return new SupervisedOptions(maxLength, truncation, promptTemplate, other, trainOn, chosenOnly, sharing, tasks);
    }

    /**
     * {@return the same for a method that tells so many tasks apart}
     *
     * @param number at least 1; with more than one every record says its own as {@code task_id}
     */
    public SupervisedOptions withTasks(int number) {
        return new SupervisedOptions(
                maxLength, truncation, promptTemplate, renderer, trainOn, chosenOnly, sharing, number);
    }

    /** Collects options; what is not set has its default: Alpaca's prompt, completions only, cut on the right. */
    public static final class Builder {

        private int maxLength = DEFAULT_MAX_LENGTH;
        private TruncationPolicy truncation = TruncationPolicy.RIGHT;
        private @Nullable PromptTemplate promptTemplate = new AlpacaTemplate();
        private @Nullable ConversationRenderer renderer;
        private TrainOn trainOn = TrainOn.COMPLETIONS;
        private boolean chosenOnly;
        private DataSharing sharing = DataSharing.NONE;
        private int tasks = 1;

        private Builder() {}

        /**
         * Limits the length of the samples.
         *
         * @param value the most tokens a sample may have
         * @return this builder
         */
        public Builder maxLength(int value) {
            maxLength = value;
            return this;
        }

        /**
         * Sets what happens to samples that are too long.
         *
         * @param value {@link TruncationPolicy#RIGHT} unless set
         * @return this builder
         */
        public Builder truncation(TruncationPolicy value) {
            truncation = Objects.requireNonNull(value, "truncation");
            return this;
        }

        /**
         * Sets how instructions are put into words.
         *
         * @param value the prompt of instructions, or null to put instructions and prompts into the chat template
         * @return this builder
         */
        public Builder promptTemplate(@Nullable PromptTemplate value) {
            promptTemplate = value;
            return this;
        }

        /**
         * Sets how conversations are put into words.
         *
         * @param value the chat template, or null when there is none
         * @return this builder
         */
        public Builder renderer(@Nullable ConversationRenderer value) {
            renderer = value;
            return this;
        }

        /**
         * Sets which tokens are learned.
         *
         * @param value {@link TrainOn#COMPLETIONS} unless set
         * @return this builder
         */
        public Builder trainOn(TrainOn value) {
            trainOn = Objects.requireNonNull(value, "trainOn");
            return this;
        }

        /**
         * Sets whether preference pairs are learned from, by their chosen answers.
         *
         * @param value otherwise pairs are refused; {@code false} unless set
         * @return this builder
         */
        public Builder chosenOnly(boolean value) {
            chosenOnly = value;
            return this;
        }

        /**
         * Sets whether other processes tokenise some of the same data.
         *
         * @param value {@link DataSharing#NONE} unless set
         * @return this builder
         */
        public Builder sharing(DataSharing value) {
            sharing = Objects.requireNonNull(value, "sharing");
            return this;
        }

        /**
         * Sets how many tasks a method tells apart.
         *
         * @param value with more than one every record says its own as {@code task_id}; 1 unless set
         * @return this builder
         */
        public Builder tasks(int value) {
            tasks = value;
            return this;
        }

        /**
         * Makes the options.
         *
         * @return the options
         * @throws UserErrorException when {@code maxLength} is below 2
         */
        public SupervisedOptions build() {
            return new SupervisedOptions(
                    maxLength, truncation, promptTemplate, renderer, trainOn, chosenOnly, sharing, tasks);
        }
    }
}
