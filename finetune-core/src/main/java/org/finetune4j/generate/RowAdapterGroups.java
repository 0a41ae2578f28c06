package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.generate.RowPass.Segment;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.nn.RowGroups;
import org.finetune4j.tensor.Device;

/** Finds out which rows of a batch use which adapter when every sequence says that for itself. */
final class RowAdapterGroups {

    /** What sequences were given their adapters together. */
    private record Source(RowAdapters adapters, int rows) {}

    private RowAdapterGroups() {}

    /**
     * The rows of a batch that has a row for each new token.
     *
     * @param segments the sequences in the order of the batch, with the number of their rows in it
     * @return the groups, or empty where no sequence has said anything
     * @throws IllegalStateException when the adapters of the sequences do not belong together, or are no longer there
     */
    static Optional<RowGroups> of(List<Segment> segments, Device device) {
        if (segments.stream().allMatch(segment -> segment.row().adapters() == null)) {
            return Optional.empty();
        }
        Map<Source, Map<Integer, Integer>> known = new LinkedHashMap<>();
        Map<Integer, List<Integer>> members = new LinkedHashMap<>();
        Object owner = null;
        int at = 0;
        for (Segment segment : segments) {
            RowAdapterChoice choice = segment.row().adapters();
            if (choice != null) {
                Source source = new Source(choice.adapters(), choice.rows());
                Map<Integer, Integer> adapterOf = known.get(source);
                if (adapterOf == null) {
                    RowGroups groups = source.adapters.of(source.rows, device);
                    if (owner != null && owner != groups.owner()) {
                        throw new IllegalStateException(
                                "the sequences of one batch use adapters of different sets: only those of one go together");
                    }
                    owner = groups.owner();
                    adapterOf = adapterOf(groups);
                    known.put(source, adapterOf);
                }
                Integer adapter = adapterOf.get(choice.row());
                for (int i = 0; i < segment.count() && adapter != null; i++) {
                    members.computeIfAbsent(adapter, key -> new ArrayList<>()).add(at + i);
                }
            }
            at += segment.count();
        }
        List<RowGroups.Group> groups = new ArrayList<>();
        members.forEach((adapter, rows) -> groups.add(RowGroups.Group.of(
                adapter, rows.stream().mapToInt(Integer::intValue).toArray(), device)));
        return owner == null ? Optional.empty() : Optional.of(new RowGroups(owner, groups));
    }

    private static Map<Integer, Integer> adapterOf(RowGroups groups) {
        Map<Integer, Integer> adapters = new LinkedHashMap<>();
        for (RowGroups.Group group : groups.groups()) {
            for (int row : group.rows()) {
                adapters.put(row, group.adapter());
            }
        }
        return adapters;
    }
}
