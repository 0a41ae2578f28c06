package org.finetune4j.model.fused;

import java.util.Optional;
import org.finetune4j.model.Segment;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.model.SegmentMemory;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Dropout;

/** Runs the layers that declare to be of Llama's shape by formula. With the system property {@code finetune4j.fused=false} it knows no layer. */
public final class FusedLayers implements SegmentFactory {

    /** Called by the service loader. */
    public FusedLayers() {}

    @Override
    public Optional<Segment> segment(DecoderLayer layer) {
        return shape(layer).map(shape -> new FusedLayer(layer, shape));
    }

    @Override
    public Optional<SegmentMemory> memory(DecoderLayer layer) {
        return shape(layer).filter(shape -> shape.holdsWith(Dropout.ON)).map(LayerShape::memory);
    }

    private static Optional<LayerShape> shape(DecoderLayer layer) {
        return Boolean.parseBoolean(System.getProperty("finetune4j.fused", "true"))
                ? LayerShape.of(layer)
                : Optional.empty();
    }
}
