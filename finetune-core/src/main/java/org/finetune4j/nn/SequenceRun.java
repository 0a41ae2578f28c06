package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Tokens of a batch, side by side, that see each other causally and nothing but some tokens before them: a sequence, or the
 * branch of one. Runs follow each other without gaps through all rows of the batch, whose tokens are counted through.
 *
 * @param length number of tokens
 * @param shared the number of the run whose first tokens are seen too, which lies before this one
 * @param sharedLength how many of them; 0 for a sequence
 * @param mask boolean [length, sharedLength + length], true where a token is seen; null where being causal says it all
 */
public record SequenceRun(
        int length, int shared, int sharedLength, @Nullable Tensor mask) {}
