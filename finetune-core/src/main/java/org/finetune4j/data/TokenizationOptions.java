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

    public TokenizationOptions {
        Objects.requireNonNull(template, "template");
        Objects.requireNonNull(truncation, "truncation");
        if (maxLength < 2) {
            throw new UserErrorException(
                    "max_length must be at least 2 (a token, and one to predict), got " + maxLength);
        }
    }

    /** Alpaca's prompt, {@value #DEFAULT_MAX_LENGTH} tokens, longer samples cut off at the end. */
    public static TokenizationOptions defaults() {
        return builder().build();
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Collects options; what is not set has the default of {@link #defaults()}. */
    public static final class Builder {

        private int maxLength = DEFAULT_MAX_LENGTH;
        private PromptTemplate template = new AlpacaTemplate();
        private TruncationPolicy truncation = TruncationPolicy.RIGHT;

        private Builder() {}

        public Builder maxLength(int maxLength) {
            this.maxLength = maxLength;
            return this;
        }

        public Builder template(PromptTemplate template) {
            this.template = Objects.requireNonNull(template, "template");
            return this;
        }

        public Builder truncation(TruncationPolicy truncation) {
            this.truncation = Objects.requireNonNull(truncation, "truncation");
            return this;
        }

        /** @throws UserErrorException when {@code maxLength} is below 2 */
        public TokenizationOptions build() {
            return new TokenizationOptions(maxLength, template, truncation);
        }
    }
}
