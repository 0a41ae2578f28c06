package org.finetune4j.peft.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** Which rows of a batch belong to which adapter. Rows that belong to none are in no group. */
final class RowGroups implements AutoCloseable {

    /**
     * The rows of one adapter.
     *
     * @param adapter its number
     * @param index int64 [rows of the adapter]
     */
    record Group(int adapter, Tensor index) {}

    private final int[] adapterOfRow;
    private final Device device;
    private List<Group> groups = List.of();
    private long rows;

    /** @param adapterOfRow the number of the adapter of each row, or -1 for none */
    RowGroups(int[] adapterOfRow, Device device) {
        this.adapterOfRow = adapterOfRow.clone();
        this.device = device;
    }

    int assigned() {
        return adapterOfRow.length;
    }

    /** The groups of a batch of so many rows; with beams or several answers, several rows in turn are one assigned row. */
    List<Group> of(long batchRows) {
        if (batchRows != rows) {
            close();
            groups = make((int) (batchRows / adapterOfRow.length));
            rows = batchRows;
        }
        return groups;
    }

    private List<Group> make(int repeat) {
        Map<Integer, List<Integer>> byAdapter = new LinkedHashMap<>();
        for (int row = 0; row < adapterOfRow.length * repeat; row++) {
            int adapter = adapterOfRow[row / repeat];
            if (adapter >= 0) {
                byAdapter.computeIfAbsent(adapter, key -> new ArrayList<>()).add(row);
            }
        }
        List<Group> made = new ArrayList<>();
        byAdapter.forEach((adapter, members) -> {
            int[] index = members.stream().mapToInt(Integer::intValue).toArray();
            made.add(new Group(
                    adapter,
                    Tensors.of(index, index.length).to(DType.INT64).to(device).unscoped()));
        });
        return made;
    }

    @Override
    public void close() {
        groups.forEach(group -> group.index().close());
        groups = List.of();
        rows = 0;
    }
}
