package org.finetune4j.data;

import org.finetune4j.UserErrorException;

/**
 * Cuts tokenised examples to length and sets their labels.
 *
 * @param maxLength the most tokens a sample may have
 * @param truncation what happens to longer ones
 */
record SampleMaker(int maxLength, TruncationPolicy truncation) {

    /** Whether the example fits; those that do not are left out under {@link TruncationPolicy#DROP}. */
    boolean fits(TokenizedExample example) {
        return example.ids().length <= maxLength;
    }

    /**
     * Makes the sample.
     *
     * @param location of the record, for messages
     * @throws UserErrorException when the example is too long, or has no labelled token left
     */
    Sample sample(TokenizedExample example, String location) {
        int length = example.ids().length;
        if (length == 0) {
            throw new UserErrorException(location + ": the record is empty, there is nothing to learn from it");
        }
        if (!fits(example) && (truncation == TruncationPolicy.ERROR || truncation == TruncationPolicy.DROP)) {
            throw new UserErrorException(location + ": the sample has " + length + " tokens, max_length is " + maxLength
                    + "; raise it, or set truncation to right, left or drop");
        }
        TokenizedExample cut = example.cutTo(maxLength, truncation);
        int[] ids = cut.ids();
        int[] labels = ids.clone();
        for (int i = 0; i < labels.length; i++) {
            if (!cut.trained()[i]) {
                labels[i] = Sample.IGNORE_INDEX;
            }
        }
        Sample sample = new Sample(ids, labels);
        if (sample.labelledTokens() == 0) {
            throw new UserErrorException(location + nothingToLearn(example));
        }
        return sample;
    }

    private String nothingToLearn(TokenizedExample example) {
        int first = example.promptLength();
        if (fits(example) || first == example.trained().length) {
            return ": the record has no token to learn; give it an answer, or look at train_on and its messages' 'train'";
        }
        return ": no labelled token is left: the prompt alone has " + first + " tokens, max_length is " + maxLength
                + "; raise it, or set truncation to left or drop";
    }
}
