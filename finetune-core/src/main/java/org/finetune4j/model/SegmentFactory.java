package org.finetune4j.model;

import java.util.Optional;
import org.finetune4j.nn.DecoderLayer;

/**
 * Chooses how a layer runs forwards and backwards. To add a way, implement this interface and name the implementation in
 * {@code META-INF/services/org.finetune4j.model.SegmentFactory}. A layer that no factory knows is left to autograd, which is
 * also what every other way is compared with.
 */
@FunctionalInterface
public interface SegmentFactory {

    /**
     * A segment for a layer as it is now, with what methods have added to it.
     *
     * @param layer of any architecture
     * @return empty where this way does not know all that the layer consists of
     */
    Optional<Segment> segment(DecoderLayer layer);

    /**
     * What a layer's segment needs where this way knows that beforehand.
     *
     * @param layer of any architecture
     * @return empty where the layer is not known, or its memory is left to autograd
     */
    default Optional<SegmentMemory> memory(DecoderLayer layer) {
        return Optional.empty();
    }

    /** {@return the factories that are named in {@code META-INF/services}: the first one that knows a layer counts} */
    static SegmentFactory installed() {
        return InstalledSegments.FACTORY;
    }

    /**
     * {@return the segment of a layer by autograd, which any other one can leave passes to that it does not know}
     *
     * @param layer of any architecture
     */
    static Segment byAutograd(DecoderLayer layer) {
        return AutogradSegment.layer(layer);
    }

    /** {@return the factory that leaves every layer to autograd} */
    static SegmentFactory autograd() {
        return layer -> Optional.empty();
    }
}
