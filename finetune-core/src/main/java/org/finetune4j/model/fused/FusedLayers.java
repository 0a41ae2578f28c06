package org.finetune4j.model.fused;

import java.util.Optional;
import org.finetune4j.model.Segment;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.nn.DecoderLayer;

/**
 * Runs the layers that declare to be of Llama's shape by formula, where their weights stay as they are: with an adapter. Where weights
 * train, autograd is as fast and needs less memory. With the system property {@code finetune4j.fused=false} it knows no layer.
 */
public final class FusedLayers implements SegmentFactory {

    private final boolean alsoTrainedWeights;

    /** Called by the service loader. */
    public FusedLayers() {
        this(false);
    }

    /**
     * A way to run layers.
     *
     * @param alsoTrainedWeights whether layers whose weights train are run by formula too
     */
    public FusedLayers(boolean alsoTrainedWeights) {
        this.alsoTrainedWeights = alsoTrainedWeights;
    }

    @Override
    public Optional<Segment> segment(DecoderLayer layer) {
        return Boolean.parseBoolean(System.getProperty("finetune4j.fused", "true"))
                ? LayerShape.of(layer)
                        .filter(shape -> alsoTrainedWeights || !shape.trainsWeights())
                        .map(shape -> new FusedLayer(layer, shape))
                : Optional.empty();
    }
}
