package org.finetune4j.data.examples;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.data.DatasetSplit;
import org.finetune4j.data.SplitIndices;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.UnpairedPreference;
import org.jspecify.annotations.Nullable;

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

    /**
     * What the example's record says, under its own keys.
     *
     * @param index from 0
     * @return texts, numbers, truth values, lists and maps; empty for an example that was no record
     * @throws org.finetune4j.UserErrorException when its file was changed since it was opened
     */
    default Map<String, @Nullable Object> fields(int index) {
        return Map.of();
    }

    /** {@return the kinds of examples that occur} */
    Set<Class<? extends Example>> kinds();

    /**
     * Whether all prompts are instructions, which a template makes a text of: those of examples, of pairs, of judged answers.
     *
     * @return whether they are, as far as the first example tells of pairs and judged answers
     */
    default boolean asksInstructions() {
        if (kinds().size() != 1 || size() == 0) {
            return false;
        }
        Example first = get(0);
        return first instanceof Instruction
                || (first instanceof PreferencePair pair && pair.chosen() instanceof Instruction)
                || (first instanceof UnpairedPreference judged && judged.example() instanceof Instruction);
    }

    /**
     * What was understood of the files, and what a user should know of it.
     *
     * @return one line each; warnings begin with {@code "warning: "}
     */
    default List<String> notes() {
        return List.of();
    }

    /**
     * Some of these examples, in the given order.
     *
     * @param indices which of them; one may occur more than once
     * @return the examples
     */
    default ExampleDataset select(int[] indices) {
        return new SelectedExamples(this, indices);
    }

    /**
     * The first examples.
     *
     * @param count how many at most, at least one
     * @return these, all of them when there are no more than {@code count}
     */
    default ExampleDataset first(int count) {
        if (count < 1) {
            throw new IllegalArgumentException("count must be positive, got " + count);
        }
        int[] indices = new int[Math.min(count, size())];
        Arrays.setAll(indices, i -> i);
        return select(indices);
    }

    /**
     * Sets examples aside for evaluation, chosen at random but the same for the same seed; both parts keep the order.
     *
     * @param evaluationCount how many to set aside
     * @param seed chooses them
     * @return both parts
     * @throws org.finetune4j.UserErrorException when that leaves either part empty
     */
    default DatasetSplit<ExampleDataset> split(int evaluationCount, long seed) {
        return SplitIndices.of(size(), evaluationCount, seed).apply(this::select);
    }

    /**
     * Sets a fraction aside, rounded up to whole examples; see {@link #split(int, long)}.
     *
     * @param evaluationFraction between 0 and 1
     * @param seed chooses the examples
     * @return both parts
     * @throws org.finetune4j.UserErrorException when that leaves either part empty
     */
    default DatasetSplit<ExampleDataset> split(double evaluationFraction, long seed) {
        return split(SplitIndices.count(size(), evaluationFraction), seed);
    }
}
