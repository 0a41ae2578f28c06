package org.finetune4j.peft.delta;

import org.finetune4j.UserErrorException;

/** How the difference of two tensors is kept. A tensor that did not change is not kept at all. */
public sealed interface DeltaForm {

    /** {@return what the file's metadata say} */
    String describe();

    /** Every value. */
    record Dense() implements DeltaForm {
        @Override
        public String describe() {
            return "dense";
        }
    }

    /**
     * Matrices as the best product of this rank, by SVD; everything else, and what would not get smaller, dense.
     *
     * @param rank at least 1
     */
    record LowRank(int rank) implements DeltaForm {

        /**
         * Checks the rank.
         *
         * @param rank at least 1
         * @throws UserErrorException when it is below 1
         */
        public LowRank {
            if (rank < 1) {
                throw new UserErrorException("rank is " + rank + ", expected at least 1");
            }
        }

        @Override
        public String describe() {
            return "low_rank rank=" + rank;
        }
    }

    /**
     * As {@link LowRank}, each matrix with the smallest rank that keeps this share of its squared norm.
     *
     * @param share above 0 and at most 1
     */
    record Energy(double share) implements DeltaForm {

        /**
         * Checks the share.
         *
         * @param share above 0 and at most 1
         * @throws UserErrorException when it is not above 0 and at most 1
         */
        public Energy {
            if (!(share > 0 && share <= 1)) {
                throw new UserErrorException("energy is " + share + ", expected a number above 0 and at most 1");
            }
        }

        @Override
        public String describe() {
            return "low_rank energy=" + share;
        }
    }

    /**
     * Only values whose magnitude is above a threshold, with their places.
     *
     * @param threshold values of at most this magnitude are left out; at least 0
     */
    record Sparse(double threshold) implements DeltaForm {

        /**
         * Checks the threshold.
         *
         * @param threshold values of at most this magnitude are left out; at least 0
         * @throws UserErrorException when it is negative
         */
        public Sparse {
            if (!(threshold >= 0)) {
                throw new UserErrorException("threshold is " + threshold + ", expected at least 0");
            }
        }

        @Override
        public String describe() {
            return "sparse threshold=" + threshold;
        }
    }
}
