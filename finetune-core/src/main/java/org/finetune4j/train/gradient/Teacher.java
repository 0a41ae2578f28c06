package org.finetune4j.train.gradient;

import java.util.function.ToDoubleFunction;
import org.finetune4j.data.Batch;

/** Whoever says how likely every word is in the place of each labelled token: a student learns to say the same. */
public interface Teacher {

    /**
     * What is said about the labelled tokens of a batch, some at a time, so that the scores of all of them never exist.
     */
    interface Scores {

        /**
         * The distributions of some tokens.
         *
         * @param start number of the first one among the batch's labelled tokens
         * @param count how many
         * @return what belongs to the caller's scope
         */
        TeacherDistribution of(int start, int count);
    }

    /**
     * Lets a loss ask about a batch.
     *
     * @param batch whose labelled tokens are meant
     * @param loss asks as often as it wants, until it returns
     * @return what the loss says
     * @throws org.finetune4j.UserErrorException when this teacher knows nothing about such a batch
     */
    double under(Batch batch, ToDoubleFunction<Scores> loss);
}
