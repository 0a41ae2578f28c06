package org.finetune4j.nn;

import java.util.List;

/**
 * Which features of a part of a layer several processes can have some of each, so that nothing needs to be exchanged between the
 * projections into a block and the one out of it (Shoeybi et al. 2019).
 *
 * @param side what is divided
 * @param sections the features in their order; none where nothing is divided
 */
public record DividedFeatures(Side side, List<Section> sections) {

    /** What of a part is divided. */
    public enum Side {
        /** The outputs of a linear layer, with its bias. */
        OUTPUTS,
        /** The inputs of a linear layer, whose outputs are summands then. */
        INPUTS,
        /** The elements of a vector: a norm's, or a parameter of a block itself. */
        ELEMENTS,
        /** Nothing: a norm of every head by itself, or what else each process uses for its own features. */
        OF_HEADS,
        /** Nothing: every process calculates the same with it. */
        NOTHING
    }

    /** What features are of. */
    public enum Kind {
        /** Heads of queries. */
        QUERY_HEADS,
        /** Heads of keys, or of values: more processes than heads have the same ones. */
        KEY_HEADS,
        /** The width inside of a feed-forward block. */
        INNER
    }

    /**
     * Features of one kind beside each other.
     *
     * @param kind what they are of
     * @param count how many heads, or inner features
     * @param size features of a head; those beside each other that one inner feature is made of, usually 1
     */
    public record Section(Kind kind, long count, long size) {

        /**
         * All heads of queries.
         *
         * @param attention that they are of
         * @return the section
         */
        public static Section queries(Attention attention) {
            return new Section(Kind.QUERY_HEADS, attention.heads(), attention.headDim());
        }

        /**
         * All heads of keys, or of values.
         *
         * @param attention that they are of
         * @return the section
         */
        public static Section keys(Attention attention) {
            return new Section(Kind.KEY_HEADS, attention.kvHeads(), attention.headDim());
        }

        /**
         * The inner features of a feed-forward block.
         *
         * @param count how many
         * @return the section
         */
        public static Section inner(long count) {
            return inner(count, 1);
        }

        /**
         * What the inner features of a feed-forward block are made of, where that lies together.
         *
         * @param count of inner features
         * @param size how many features make one
         * @return the section
         */
        public static Section inner(long count, long size) {
            return new Section(Kind.INNER, count, size);
        }

        /**
         * One number of every head of queries.
         *
         * @param attention that they are of
         * @return the section
         */
        public static Section ofQueryHeads(Attention attention) {
            return new Section(Kind.QUERY_HEADS, attention.heads(), 1);
        }
    }

    /**
     * {@return a linear layer whose outputs are divided}
     *
     * @param sections one after the other
     */
    public static DividedFeatures outputs(Section... sections) {
        return new DividedFeatures(Side.OUTPUTS, List.of(sections));
    }

    /**
     * {@return a linear layer whose inputs are divided}
     *
     * @param section all of them
     */
    public static DividedFeatures inputs(Section section) {
        return new DividedFeatures(Side.INPUTS, List.of(section));
    }

    /**
     * {@return a vector whose elements are divided, a norm's or a parameter of a block itself}
     *
     * @param section all of them
     */
    public static DividedFeatures elements(Section section) {
        return new DividedFeatures(Side.ELEMENTS, List.of(section));
    }

    /** {@return a norm of every head by itself} */
    public static DividedFeatures ofHeads() {
        return new DividedFeatures(Side.OF_HEADS, List.of());
    }

    /** {@return what every process has whole and uses for its own features: each finds a summand of its gradients} */
    public static DividedFeatures ofOwn() {
        return ofHeads();
    }

    /** {@return what every process has and uses alike} */
    public static DividedFeatures nothing() {
        return new DividedFeatures(Side.NOTHING, List.of());
    }

    /** {@return how many features there are} */
    public long count() {
        return sections.stream()
                .mapToLong(section -> section.count * section.size)
                .sum();
    }
}
