package org.finetune4j.cli;

import java.util.List;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.model.chat.ChatTemplate;
import org.jspecify.annotations.Nullable;

/**
 * The data of a training, ready to train on.
 *
 * @param train what is trained on
 * @param evaluation what is held out, or null
 * @param form the chat template that the trained model is to be asked in, or null where it is the model's own or none
 * @param notes what was read and left out, one line each
 */
record TrainingData(
        Part train, @Nullable Part evaluation, @Nullable ChatTemplate form, List<String> notes) {

    TrainingData {
        notes = List.copyOf(notes);
    }

    /**
     * One side of the data.
     *
     * @param name where it comes from
     * @param samples one sample an example
     * @param batches what batches are made of: the samples, or the rows that they are packed into
     * @param examples what the samples come from, or null for plain text
     */
    record Part(
            String name,
            TrainingDataset samples,
            TrainingDataset batches,
            @Nullable ExampleDataset examples) {}
}
