package org.finetune4j.model;

import java.util.List;
import java.util.ServiceLoader;

/** The factories of the class path, looked for once: a pass is made for every token that is generated. */
final class InstalledSegments {

    private static final List<SegmentFactory> ALL = ServiceLoader.load(SegmentFactory.class).stream()
            .map(ServiceLoader.Provider::get)
            .toList();

    /** The first one that knows a layer counts. */
    static final SegmentFactory FACTORY = layer ->
            ALL.stream().flatMap(factory -> factory.segment(layer).stream()).findFirst();

    private InstalledSegments() {}
}
