package org.finetune4j.cli;

import java.util.List;
import org.finetune4j.data.examples.ExampleDataset;
import org.jspecify.annotations.Nullable;

/**
 * The records of a training, cleaned, mixed and split, before any model reads them.
 *
 * @param train what is trained on, or null where that is plain text
 * @param evaluation what is held out, or null
 * @param notes what was read and left out, one line each
 */
record TrainingRecords(
        @Nullable ExampleDataset train, @Nullable ExampleDataset evaluation, List<String> notes) {

    TrainingRecords {
        notes = List.copyOf(notes);
    }
}
