package org.finetune4j.data;

import java.util.Objects;
import org.finetune4j.UserErrorException;

/**
 * How records become samples.
 *
 * @param maxLength the most tokens a sample may have
 * @param template the prompt
 * @param truncation what happens to longer samples
 */
public record TokenizationOptions(int maxLength, PromptTemplate template, TruncationPolicy truncation) {

    /** TRL's default for {@code max_length}. */
    public static final int DEFAULT_MAX_LENGTH = 1024;

    /**
     * Checks the length.
     *
     * @param maxLength the most tokens a sample may have
     * @param template the prompt
     * @param truncation what happens to longer samples
     * @throws UserErrorException when {@code maxLength} is below 2
     */
    public TokenizationOptions {
        Objects.requireNonNull(template, "template");
        Objects.requireNonNull(truncation, "truncation");
        if (maxLength < 2) {
            throw new UserErrorException(
                    "max_length must be at least 2 (a token, and one to predict), got " + maxLength);
        }
    }

    /**
     * Alpaca's prompt, {@value #DEFAULT_MAX_LENGTH} tokens, longer samples cut off at the end.
     *
     * @return the options
     */
    public static TokenizationOptions defaults() {
        return builder().build();
    }

    /** {@return a builder with the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** Collects options; what is not set has the default of {@link #defaults()}. */
    public static final class Builder {

        private int maxLength = DEFAULT_MAX_LENGTH;
        private PromptTemplate template = new AlpacaTemplate();
        private TruncationPolicy truncation = TruncationPolicy.RIGHT;

        private Builder() {}

        /**
         * Limits the length of the samples.
         *
         * @param maxLength the most tokens a sample may have; {@value TokenizationOptions#DEFAULT_MAX_LENGTH} unless set
         * @return this builder
         */
        public Builder maxLength(int maxLength) {
            this.maxLength = maxLength;
            return this;
        }

        /**
         * Sets how instructions are put into words.
         *
         * @param template Alpaca's unless set
         * @return this builder
         */
        public Builder template(PromptTemplate template) {
            this.template = Objects.requireNonNull(template, "template");
            return this;
        }

        /**
         * Sets what happens to samples that are too long.
         *
         * @param truncation {@link TruncationPolicy#RIGHT} unless set
         * @return this builder
         */
        public Builder truncation(TruncationPolicy truncation) {
            this.truncation = Objects.requireNonNull(truncation, "truncation");
            return this;
        }

        /**
         * Makes the options.
         *
         * @return the options
         * @throws UserErrorException when {@code maxLength} is below 2
         */
        public TokenizationOptions build() {
            return new TokenizationOptions(maxLength, template, truncation);
        }
    }
}
