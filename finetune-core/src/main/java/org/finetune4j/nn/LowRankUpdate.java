package org.finetune4j.nn;

/**
 * What a low-rank method adds to a linear layer: {@code scale * B A x}.
 *
 * @param a [rank, in]
 * @param b [out, rank]
 * @param scale of the product
 */
public record LowRankUpdate(Parameter a, Parameter b, double scale) {}
