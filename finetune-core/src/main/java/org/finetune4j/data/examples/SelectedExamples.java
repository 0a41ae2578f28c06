package org.finetune4j.data.examples;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.format.Example;
import org.jspecify.annotations.Nullable;

/** Some examples of another dataset, in the given order. */
record SelectedExamples(ExampleDataset source, int[] indices) implements ExampleDataset {

    SelectedExamples {
        if (indices.length == 0) {
            throw new UserErrorException("no example is left of " + source.size());
        }
    }

    @Override
    public int size() {
        return indices.length;
    }

    @Override
    public Example get(int index) {
        return source.get(indices[index]);
    }

    @Override
    public String location(int index) {
        return source.location(indices[index]);
    }

    @Override
    public String task(int index) {
        return source.task(indices[index]);
    }

    @Override
    public Map<String, @Nullable Object> fields(int index) {
        return source.fields(indices[index]);
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        return source.kinds();
    }

    @Override
    public List<String> notes() {
        return source.notes();
    }
}
