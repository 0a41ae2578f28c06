package org.finetune4j.data.examples;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.finetune4j.data.format.Example;
import org.jspecify.annotations.Nullable;

/** Several datasets, of which none is empty, one after the other. */
public final class ConcatenatedExamples implements ExampleDataset {

    private final List<ExampleDataset> parts;
    private final int[] starts;

    private ConcatenatedExamples(List<ExampleDataset> parts, int[] starts) {
        this.parts = parts;
        this.starts = starts;
    }

    /**
     * The datasets as one; a single one is returned as it is.
     *
     * @param parts at least one, in their order
     * @return the examples, those of the first part first
     */
    public static ExampleDataset of(List<? extends ExampleDataset> parts) {
        if (parts.size() == 1) {
            return parts.get(0);
        }
        int[] starts = new int[parts.size() + 1];
        for (int i = 0; i < parts.size(); i++) {
            starts[i + 1] = Math.addExact(starts[i], parts.get(i).size());
        }
        return new ConcatenatedExamples(List.copyOf(parts), starts);
    }

    @Override
    public int size() {
        return starts[starts.length - 1];
    }

    @Override
    public Example get(int index) {
        int part = part(index);
        return parts.get(part).get(index - starts[part]);
    }

    @Override
    public String location(int index) {
        int part = part(index);
        return parts.get(part).location(index - starts[part]);
    }

    @Override
    public String task(int index) {
        int part = part(index);
        return parts.get(part).task(index - starts[part]);
    }

    @Override
    public Map<String, @Nullable Object> fields(int index) {
        int part = part(index);
        return parts.get(part).fields(index - starts[part]);
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        return parts.stream().flatMap(part -> part.kinds().stream()).collect(Collectors.toUnmodifiableSet());
    }

    @Override
    public List<String> notes() {
        return parts.stream().flatMap(part -> part.notes().stream()).toList();
    }

    private int part(int index) {
        Objects.checkIndex(index, size());
        int found = Arrays.binarySearch(starts, index);
        return found >= 0 ? found : -found - 2;
    }
}
