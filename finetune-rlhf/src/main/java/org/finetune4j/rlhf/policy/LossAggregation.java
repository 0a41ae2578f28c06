package org.finetune4j.rlhf.policy;

import java.util.Arrays;

/** How the losses of tokens become the loss of a batch; TRL's {@code loss_type}. */
public enum LossAggregation {

    /** The mean over answers of the mean over their tokens: every answer counts the same. */
    GRPO {
        @Override
        public double[] weights(int[] lengths, int maxLength) {
            return Arrays.stream(lengths)
                    .mapToDouble(length -> 1.0 / Math.max(1, length) / lengths.length)
                    .toArray();
        }
    },

    /** The mean over all tokens: every token counts the same. */
    BNPO {
        @Override
        public double[] weights(int[] lengths, int maxLength) {
            double weight = 1.0 / Math.max(1, Arrays.stream(lengths).sum());
            return Arrays.stream(lengths).mapToDouble(length -> weight).toArray();
        }
    },

    /** The sum over tokens by what all answers could have at most: long answers gain nothing. */
    DR_GRPO {
        @Override
        public double[] weights(int[] lengths, int maxLength) {
            double weight = 1.0 / lengths.length / maxLength;
            return Arrays.stream(lengths).mapToDouble(length -> weight).toArray();
        }
    },

    /** The mean over all tokens of the whole step, of all its batches together (Yu et al. 2025, arXiv:2503.14476). */
    DAPO {
        @Override
        public double[] weights(int[] lengths, int maxLength) {
            return BNPO.weights(lengths, maxLength);
        }
    };

    /**
     * What a token's loss is multiplied by before all are summed.
     *
     * @param lengths tokens of every answer that the loss is a mean over
     * @param maxLength how many an answer can have
     * @return one number an answer, for each of its tokens
     */
    public abstract double[] weights(int[] lengths, int maxLength);
}
