package org.finetune4j.nn;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What an attention block consists of that projects, rotates, attends and projects back, and does nothing else: whoever declares
 * it can be run by formulas for that shape.
 *
 * @param queryKeyValue the projections in, whose outputs beside each other are queries, keys and values: three layers, or one
 * @param queryNorm of every query head by itself before it is rotated, or null
 * @param keyNorm of every key head, or null; there are both or none
 * @param attention between the tokens
 * @param output the projection back
 */
public record AttentionProjections(
        List<Linear> queryKeyValue,
        @Nullable Norm queryNorm,
        @Nullable Norm keyNorm,
        Attention attention,
        Linear output) {}
