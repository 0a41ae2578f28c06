package org.finetune4j.dist.tensor;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.finetune4j.nn.AxisSlice;
import org.finetune4j.nn.ParallelRegion;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * How one dimension is divided among the ranks of a group: each has some ranges of it, which may be those of another rank too, or
 * nothing.
 *
 * @param axis the ranges of every rank
 * @param rank this one
 * @param region in which the slices are used
 * @param gathering brings slices together
 */
record Division(Axis axis, int rank, ParallelRegion region, SliceGathering gathering) implements AxisSlice {

    /**
     * A stretch of a dimension.
     *
     * @param start its first element
     * @param length how many
     */
    record Range(long start, long length) {}

    /**
     * A dimension and who has what of it.
     *
     * @param whole its length
     * @param ranges of every rank, in the order in which they lie in the slice
     */
    record Axis(long whole, List<List<Range>> ranges) {

        /** As equal stretches as there can be. */
        static Axis even(long whole, int ranks) {
            return blocks(whole, 1, ranks, 1);
        }

        /**
         * Stretches of whole blocks, such as heads.
         *
         * @param blocks how many there are
         * @param size of a block
         * @param ranks where there are more than blocks, several in a row have the same one
         * @param copies how many ranks in a row have the same
         */
        static Axis blocks(long blocks, long size, int ranks, int copies) {
            List<List<Range>> all = new ArrayList<>();
            int holders = ranks / copies;
            for (int rank = 0; rank < ranks; rank++) {
                long holder = rank / copies;
                long start = blocks * holder / holders;
                long end = blocks * (holder + 1) / holders;
                all.add(List.of(new Range(start * size, (end - start) * size)));
            }
            return new Axis(blocks * size, all);
        }

        /** All of it with one rank. */
        static Axis owned(long whole, int owner, int ranks) {
            List<List<Range>> all = new ArrayList<>();
            for (int rank = 0; rank < ranks; rank++) {
                all.add(List.of(new Range(0, rank == owner ? whole : 0)));
            }
            return new Axis(whole, all);
        }

        /** Divided so within one of several groups of ranks, which follow each other; the others have nothing of it. */
        Axis owned(int owner, int groups) {
            List<List<Range>> all = new ArrayList<>();
            for (int group = 0; group < groups; group++) {
                all.addAll(group == owner ? ranges : Collections.nCopies(ranges.size(), List.of(new Range(0, 0))));
            }
            return new Axis(whole, all);
        }

        /** Dimensions that lie in one after the other, each divided by itself. */
        static Axis stacked(Axis... sections) {
            List<List<Range>> all = new ArrayList<>();
            for (int rank = 0; rank < sections[0].ranges.size(); rank++) {
                List<Range> own = new ArrayList<>();
                long offset = 0;
                for (Axis section : sections) {
                    for (Range range : section.ranges.get(rank)) {
                        own.add(new Range(offset + range.start, range.length));
                    }
                    offset += section.whole;
                }
                all.add(own);
            }
            return new Axis(List.of(sections).stream().mapToLong(Axis::whole).sum(), all);
        }

        /** How much a rank has. */
        long length(int rank) {
            return ranges.get(rank).stream().mapToLong(Range::length).sum();
        }

        /** Whether no earlier rank has the same. */
        boolean isFirst(int rank) {
            return ranges.indexOf(ranges.get(rank)) == rank;
        }
    }

    @Override
    public long whole() {
        return axis.whole();
    }

    @Override
    public long length() {
        return axis.length(rank);
    }

    @Override
    public boolean isFirst() {
        return axis.isFirst(rank);
    }

    @Override
    public int copies() {
        return Collections.frequency(axis.ranges(), axis.ranges().get(rank));
    }

    @Override
    public Tensor of(Tensor tensor, int dimension) {
        List<Tensor> parts = axis.ranges().get(rank).stream()
                .map(range -> tensor.narrow(dimension, range.start(), range.length()))
                .toList();
        // A slice of rows stays where the file is mapped; one of columns is copied, so that the rest need not be kept.
        return parts.size() == 1 ? parts.get(0).contiguous() : Tensors.cat(parts, dimension);
    }

    @Override
    public Tensor gather(Parameter parameter, int dimension, DType dtype) {
        return gathering.gather(parameter, dimension, dtype, axis);
    }

    @Override
    public void sum(Tensor tensor) {
        gathering.sum(tensor);
    }
}
