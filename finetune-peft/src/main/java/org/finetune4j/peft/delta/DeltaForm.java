package org.finetune4j.peft.delta;

import org.finetune4j.UserErrorException;

/** How the difference of two tensors is kept. A tensor that did not change is not kept at all. */
public sealed interface DeltaForm {

    /** What the file's metadata say. */
    String describe();

    /** Every value. */
    record Dense() implements DeltaForm {
        @Override
        public String describe() {
            return "dense";
        }
    }

    /** Matrices as the best product of this rank, by SVD; everything else, and what would not get smaller, dense. */
    record LowRank(int rank) implements DeltaForm {

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

    /** As {@link LowRank}, each matrix with the smallest rank that keeps this share of its squared norm. */
    record Energy(double share) implements DeltaForm {

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

    /** Only values whose magnitude is above a threshold, with their places. */
    record Sparse(double threshold) implements DeltaForm {

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
