package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** Several sources one after the other. */
final class ConcatenatedRecords implements RecordSource {

    private final List<RecordSource> sources;
    /** Index of each source's first record, and at the end the number of all records. */
    private final int[] starts;

    private ConcatenatedRecords(List<RecordSource> sources, int[] starts) {
        this.sources = sources;
        this.starts = starts;
    }

    static RecordSource of(List<RecordSource> sources) {
        int[] starts = new int[sources.size() + 1];
        for (int i = 0; i < sources.size(); i++) {
            starts[i + 1] = Math.addExact(starts[i], sources.get(i).size());
        }
        return new ConcatenatedRecords(List.copyOf(sources), starts);
    }

    @Override
    public int size() {
        return starts[starts.length - 1];
    }

    @Override
    public JsonNode get(int record) {
        int source = source(record);
        return sources.get(source).get(record - starts[source]);
    }

    @Override
    public String location(int record) {
        int source = source(record);
        return sources.get(source).location(record - starts[source]);
    }

    @Override
    public String fileName(int record) {
        int source = source(record);
        return sources.get(source).fileName(record - starts[source]);
    }

    private int source(int record) {
        Objects.checkIndex(record, size());
        int found = Arrays.binarySearch(starts, record);
        int source = found >= 0 ? found : -found - 2;
        while (starts[source + 1] <= record) {
            source++; // Sources without records share their start with the next one.
        }
        return source;
    }
}
