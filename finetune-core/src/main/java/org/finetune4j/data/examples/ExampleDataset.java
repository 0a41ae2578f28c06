package org.finetune4j.data.examples;

import java.util.Set;
import org.finetune4j.data.format.Example;

/** Typed examples with random access. Implementations are thread-safe, and give the same example for the same index. */
public interface ExampleDataset {

    /** {@return the number of examples, at least one} */
    int size();

    /**
     * The example at {@code index}.
     *
     * @param index from 0
     * @return the example
     * @throws org.finetune4j.UserErrorException when its file was changed since it was opened
     */
    Example get(int index);

    /**
     * {@return where the example came from, for messages: {@code "data.jsonl:17"}}
     *
     * @param index from 0
     */
    String location(int index);

    /**
     * {@return the task that the example belongs to: what its record, its file or its dataset says}
     *
     * @param index from 0
     */
    String task(int index);

    /** {@return the kinds of examples that occur} */
    Set<Class<? extends Example>> kinds();

    /**
     * Some of these examples, in the given order.
     *
     * @param indices which of them; one may occur more than once
     * @return the examples
     */
    default ExampleDataset select(int[] indices) {
        return new SelectedExamples(this, indices);
    }
}
