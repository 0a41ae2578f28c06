package org.finetune4j.nn;

import java.util.List;

/**
 * What a gated feed-forward block consists of, {@code down(activation(gate(x)) * up(x))}, and nothing else: whoever declares it can
 * be run by formulas for that shape.
 *
 * @param gateUp the projections in, whose outputs beside each other are gate and up: two layers, or one
 * @param activation of the gate
 * @param down the projection back
 */
public record FeedForwardProjections(List<Linear> gateUp, Activation activation, Linear down) {}
