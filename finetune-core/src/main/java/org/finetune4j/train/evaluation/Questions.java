package org.finetune4j.train.evaluation;

import java.util.Optional;
import org.finetune4j.data.InstructionSamples;
import org.finetune4j.data.TrainingDataset;

/** Prompts with the answers that are expected. */
public interface Questions {

    int size();

    /** What the model is given. */
    String prompt(int index);

    /** What it should say. */
    String answer(int index);

    /** The prompts of a dataset, where it has some. */
    static Optional<Questions> of(TrainingDataset dataset) {
        if (!(dataset instanceof InstructionSamples samples)) {
            return Optional.empty();
        }
        return Optional.of(new Questions() {
            @Override
            public int size() {
                return samples.size();
            }

            @Override
            public String prompt(int index) {
                return samples.prompt(index);
            }

            @Override
            public String answer(int index) {
                return samples.record(index).output();
            }
        });
    }

    /** The first {@code count} of these, or all when it is 0. */
    default Questions first(int count) {
        Questions all = this;
        int size = count == 0 ? size() : Math.min(count, size());
        return new Questions() {
            @Override
            public int size() {
                return size;
            }

            @Override
            public String prompt(int index) {
                return all.prompt(index);
            }

            @Override
            public String answer(int index) {
                return all.answer(index);
            }
        };
    }
}
