package org.finetune4j.dist.communicator;

/**
 * How much a rank has communicated, by the sizes of what it was called with: what a ring of ranks would have this one send.
 *
 * @param operations how many
 * @param bytesSent by this rank: 2 (n-1)/n of the tensor for an all-reduce, (n-1)/n of the whole for reduce-scatter, all-gather
 *     and all-to-all, the tensor for a send or at the root of a broadcast
 * @param secondsWaited in {@link Pending#await()} and {@link Communicator#barrier()}
 */
public record CommunicationVolume(long operations, long bytesSent, double secondsWaited) {}
