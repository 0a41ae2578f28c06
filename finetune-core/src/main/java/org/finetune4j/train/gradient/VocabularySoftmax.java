package org.finetune4j.train.gradient;

import org.finetune4j.nn.VocabularyShard;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The distribution that scores stand for, where a process may have the scores of some words only: what is added up over words is
 * then added up over processes, one number a token, and no process sees all scores.
 *
 * @param shard the words that this process scores, or null for all
 */
record VocabularySoftmax(@Nullable VocabularyShard shard) {

    /** [tokens, words] to logarithms of probabilities, [tokens, words]. */
    Tensor logProbabilities(Tensor scores) {
        if (shard == null) {
            return Functional.logSoftmax(scores, -1);
        }
        Tensor largest = scores.max(1, true); // [tokens, 1]
        shard.max(largest);
        Tensor shifted = scores.sub(largest);
        Tensor sum = shifted.exp().sum(1, true); // [tokens, 1]
        shard.sum(sum);
        return shifted.subInPlace(sum.log());
    }

    /** The entries of some words: [tokens, words] and [tokens, 1] to [tokens, 1]. */
    Tensor gather(Tensor entries, Tensor target) {
        if (shard == null) {
            return entries.gather(1, target);
        }
        Tensor own = entries.gather(1, shard.within(target))
                .mulInPlace(shard.holds(target).to(entries.dtype()));
        shard.sum(own);
        return own;
    }

    /** Adds to the entries of some words: [tokens, words], [tokens, 1] and [tokens, 1]. */
    Tensor add(Tensor entries, Tensor target, Tensor summand) {
        return shard == null
                ? entries.scatterAddInPlace(1, target, summand)
                : entries.scatterAddInPlace(
                        1, shard.within(target), summand.mul(shard.holds(target).to(summand.dtype())));
    }

    /** The sum over all words: [tokens, words] to [tokens, 1]. */
    Tensor sum(Tensor entries) {
        Tensor sum = entries.sum(-1, true);
        if (shard != null) {
            shard.sum(sum);
        }
        return sum;
    }

    /** How many words there are in all, where this process scores so many. */
    long words(long scored) {
        return shard == null ? scored : shard.whole();
    }
}
