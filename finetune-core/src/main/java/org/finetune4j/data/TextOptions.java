package org.finetune4j.data;

import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * How plain text becomes samples.
 *
 * @param blockSize the most tokens a sample has
 * @param packing whether samples run over the ends of documents
 * @param bos whether a document begins with the beginning-of-sequence token; null: as the tokenizer does it
 * @param eos whether a document ends with the end-of-sequence token; null: when the tokenizer has one
 * @param documentSeparator in a text file, a line that stands between two documents (empty: a blank line); null: the
 *     file is one document
 * @param textField in a JSON file, the key of a record's text
 * @param sharing whether other processes tokenise some of the same text
 */
public record TextOptions(
        int blockSize,
        TextPacking packing,
        @Nullable Boolean bos,
        @Nullable Boolean eos,
        @Nullable String documentSeparator,
        String textField,
        DataSharing sharing) {

    /** Tokens of a sample unless told otherwise. */
    public static final int DEFAULT_BLOCK_SIZE = 1024;

    /**
     * Checks the numbers and the separator.
     *
     * @param blockSize the most tokens a sample has
     * @param packing whether samples run over the ends of documents
     * @param bos whether a document begins with the beginning-of-sequence token; null: as the tokenizer does it
     * @param eos whether a document ends with the end-of-sequence token; null: when the tokenizer has one
     * @param documentSeparator in a text file, a line that stands between two documents (empty: a blank line); null: the
     *     file is one document
     * @param textField in a JSON file, the key of a record's text
     * @param sharing whether other processes tokenise some of the same text
     * @throws UserErrorException when {@code blockSize} is below 2, or the separator is more than one line
     */
    public TextOptions {
        Objects.requireNonNull(packing, "packing");
        Objects.requireNonNull(textField, "textField");
        if (blockSize < 2) {
            throw new UserErrorException("block_size must be at least 2, a token and one to predict, got " + blockSize);
        }
        if (documentSeparator != null && documentSeparator.matches("(?s).*[\r\n].*")) {
            throw new UserErrorException("the document separator is one line, it must not hold a line break");
        }
    }

    /**
     * Blocks of {@value #DEFAULT_BLOCK_SIZE} tokens over all documents, with the tokenizer's own special tokens.
     *
     * @return the options
     */
    public static TextOptions defaults() {
        return builder().build();
    }

    /** {@return a builder with the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** Collects options; what is not set has the default of {@link #defaults()}. */
    public static final class Builder {

        private int blockSize = DEFAULT_BLOCK_SIZE;
        private TextPacking packing = TextPacking.CONCATENATE;
        private @Nullable Boolean bos;
        private @Nullable Boolean eos;
        private @Nullable String documentSeparator;
        private String textField = "text";
        private DataSharing sharing = DataSharing.NONE;

        private Builder() {}

        /**
         * Sets the length of the samples.
         *
         * @param blockSize the most tokens a sample has; {@value TextOptions#DEFAULT_BLOCK_SIZE} unless set
         * @return this builder
         */
        public Builder blockSize(int blockSize) {
            this.blockSize = blockSize;
            return this;
        }

        /**
         * Sets whether samples run over the ends of documents.
         *
         * @param packing {@link TextPacking#CONCATENATE} unless set
         * @return this builder
         */
        public Builder packing(TextPacking packing) {
            this.packing = Objects.requireNonNull(packing, "packing");
            return this;
        }

        /**
         * Sets whether documents begin with the beginning-of-sequence token.
         *
         * @param bos as the tokenizer does it unless set
         * @return this builder
         */
        public Builder bos(boolean bos) {
            this.bos = bos;
            return this;
        }

        /**
         * Sets whether documents end with the end-of-sequence token.
         *
         * @param eos when the tokenizer has one unless set
         * @return this builder
         */
        public Builder eos(boolean eos) {
            this.eos = eos;
            return this;
        }

        /**
         * Sets what stands between two documents of a text file.
         *
         * @param documentSeparator a line of the file, empty for a blank one; without it the file is one document
         * @return this builder
         */
        public Builder documentSeparator(String documentSeparator) {
            this.documentSeparator = Objects.requireNonNull(documentSeparator, "documentSeparator");
            return this;
        }

        /**
         * Sets where a JSON record has its text.
         *
         * @param textField in a JSON file, the key of a record's text
         * @return this builder
         */
        public Builder textField(String textField) {
            this.textField = Objects.requireNonNull(textField, "textField");
            return this;
        }

        /**
         * Sets whether other processes tokenise some of the same text.
         *
         * @param sharing {@link DataSharing#NONE} unless set
         * @return this builder
         */
        public Builder sharing(DataSharing sharing) {
            this.sharing = Objects.requireNonNull(sharing, "sharing");
            return this;
        }

        /**
         * Makes the options.
         *
         * @return the options
         * @throws UserErrorException when {@code blockSize} is below 2, or the separator is more than one line
         */
        public TextOptions build() {
            return new TextOptions(blockSize, packing, bos, eos, documentSeparator, textField, sharing);
        }
    }
}
