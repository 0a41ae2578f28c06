package org.finetune4j.data.examples;

import java.util.Set;
import org.finetune4j.data.format.Example;

/** Typed examples with random access. Implementations are thread-safe, and give the same example for the same index. */
public interface ExampleDataset {

    /** Number of examples, at least one. */
    int size();

    /**
     * The example at {@code index}.
     *
     * @throws org.finetune4j.UserErrorException when its file was changed since it was opened
     */
    Example get(int index);

    /** Where the example came from, for messages: {@code "data.jsonl:17"}. */
    String location(int index);

    /** The task that the example belongs to: what its record, its file or its dataset says. */
    String task(int index);

    /** The kinds of examples that occur. */
    Set<Class<? extends Example>> kinds();

    /** Some of these examples, in the given order. */
    default ExampleDataset select(int[] indices) {
        return new SelectedExamples(this, indices);
    }
}
