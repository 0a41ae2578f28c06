package org.finetune4j.model;

/**
 * What a segment that plans its own memory needs of it, in float32 numbers for every token. All of it is kept for later batches.
 *
 * @param kept from the forward pass until it has gone back
 * @param passing while it runs, forwards or backwards, whichever is more; segments of one pass take turns with it
 */
public record SegmentMemory(long kept, long passing) {}
