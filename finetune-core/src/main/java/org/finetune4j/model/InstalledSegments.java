package org.finetune4j.model;

import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.finetune4j.Services;
import org.finetune4j.nn.DecoderLayer;

/**
 * The factories of the class path, looked for once: a pass is made for every token that is generated. The first one that knows a
 * layer counts.
 *
 * @param all in the order they were found
 */
record InstalledSegments(List<SegmentFactory> all) implements SegmentFactory {

    static final SegmentFactory FACTORY = new InstalledSegments(Services.of(SegmentFactory.class));

    @Override
    public Optional<Segment> segment(DecoderLayer layer) {
        return first(factory -> factory.segment(layer));
    }

    @Override
    public Optional<SegmentMemory> memory(DecoderLayer layer) {
        return first(factory -> factory.memory(layer));
    }

    private <T> Optional<T> first(Function<SegmentFactory, Optional<T>> asked) {
        return all.stream().flatMap(factory -> asked.apply(factory).stream()).findFirst();
    }
}
