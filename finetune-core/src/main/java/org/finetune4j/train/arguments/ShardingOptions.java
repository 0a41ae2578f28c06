package org.finetune4j.train.arguments;

import org.finetune4j.UserErrorException;

/**
 * What ranks that train together share out among them, by the stages of ZeRO (Rajbhandari et al. 2020). It changes no result, and
 * means nothing to a process that trains by itself.
 *
 * @param stage 0: every rank has everything; 1: each has a part of the optimizer's states; 2: of the gradients too; 3: of the weights too
 * @param bucketBytes how much is sent at one time, as far as it is there
 */
public record ShardingOptions(int stage, long bucketBytes) {

    /** Every rank has everything. */
    public static final ShardingOptions NONE = ofStage(0);

    /** The largest stage. */
    public static final int LAST_STAGE = 3;

    private static final long BUCKET = 32L << 20;

    /**
     * Checks both numbers.
     *
     * @param stage from 0 to 3
     * @param bucketBytes above 0
     * @throws UserErrorException for another number
     */
    public ShardingOptions {
        if (stage < 0 || stage > LAST_STAGE) {
            throw new UserErrorException("zero_stage is " + stage + ", expected 0, 1, 2 or 3");
        }
        if (bucketBytes <= 0) {
            throw new UserErrorException("a bucket has " + bucketBytes + " bytes, expected a number above 0");
        }
    }

    /**
     * A stage with buckets of a usual size.
     *
     * @param stage from 0 to 3
     * @return the options
     * @throws UserErrorException for another number
     */
    public static ShardingOptions ofStage(int stage) {
        return new ShardingOptions(stage, BUCKET);
    }
}
