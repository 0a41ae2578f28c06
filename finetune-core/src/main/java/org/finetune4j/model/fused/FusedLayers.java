package org.finetune4j.model.fused;

import java.util.Optional;
import org.finetune4j.model.Segment;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.nn.DecoderLayer;

/** Runs the layers that declare to be of Llama's shape by formula. With the system property {@code finetune4j.fused=false} it knows no layer. */
public final class FusedLayers implements SegmentFactory {

    /** Called by the service loader. */
    public FusedLayers() {}

    @Override
    public Optional<Segment> segment(DecoderLayer layer) {
        return Boolean.parseBoolean(System.getProperty("finetune4j.fused", "true"))
                ? LayerShape.of(layer).map(shape -> new FusedLayer(layer, shape))
                : Optional.empty();
    }
}
