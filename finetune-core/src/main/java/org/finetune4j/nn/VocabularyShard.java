package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/** The consecutive words of a vocabulary that one process looks up and scores. */
public interface VocabularyShard extends AxisSlice {

    /** {@return the number of its first word} */
    long start();

    /**
     * Takes the largest of what all processes have, element by element.
     *
     * @param tensor read and written, no history is made
     */
    void max(Tensor tensor);

    /**
     * Brings the scores of all words together.
     *
     * @param scores [..., own words]
     * @return [..., words], without history
     */
    Tensor gather(Tensor scores);

    /**
     * Where words stand among this process's own.
     *
     * @param ids int64 of any shape
     * @return their numbers here; 0 where another process has the word
     */
    default Tensor within(Tensor ids) {
        return ids.add(-(double) start()).mul(holds(ids).to(ids.dtype()));
    }

    /**
     * Which words are this process's own.
     *
     * @param ids int64 of any shape
     * @return true where they are
     */
    default Tensor holds(Tensor ids) {
        return ids.greaterThan(start() - 1.0).logicalAnd(ids.lessThan((double) (start() + length())));
    }
}
