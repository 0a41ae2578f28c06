package org.finetune4j.data.examples;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.format.Example;

/**
 * Examples that are in memory.
 *
 * @param name what messages and reports call it
 * @param examples at least one; copied
 */
public record ExampleList(String name, List<Example> examples) implements ExampleDataset {

    /**
     * Refuses a list without examples.
     *
     * @param name what messages and reports call it
     * @param examples at least one; copied
     * @throws UserErrorException when there are none
     */
    public ExampleList {
        examples = List.copyOf(examples);
        if (examples.isEmpty()) {
            throw new UserErrorException(name + ": the dataset is empty, expected at least one example");
        }
    }

    @Override
    public int size() {
        return examples.size();
    }

    @Override
    public Example get(int index) {
        return examples.get(index);
    }

    @Override
    public String location(int index) {
        return name + " " + index;
    }

    @Override
    public String task(int index) {
        return name;
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        return examples.stream().map(Example::getClass).collect(Collectors.toUnmodifiableSet());
    }
}
