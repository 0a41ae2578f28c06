package org.finetune4j.dist.plan;

/**
 * What a training may run on. Speeds are what is reached in practice, not what a data sheet promises.
 *
 * @param devices how many
 * @param memory bytes of each
 * @param devicesPerHost how many of them are in one host
 * @param operations floating point operations that one does in a second
 * @param hostBandwidth bytes that one sends in a second to others in its host
 * @param networkBandwidth bytes that one sends in a second to other hosts
 */
public record Cluster(
        int devices,
        long memory,
        int devicesPerHost,
        double operations,
        double hostBandwidth,
        double networkBandwidth) {

    /** Devices of a usual host, and as many as matrices are split over at most. */
    public static final int USUAL_HOST = 8;

    /**
     * {@return what one device sends in a second in a group}
     *
     * @param span devices from the first of the group to the last
     */
    double bandwidth(long span) {
        return span <= devicesPerHost ? hostBandwidth : networkBandwidth;
    }
}
