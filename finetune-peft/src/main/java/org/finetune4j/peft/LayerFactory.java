package org.finetune4j.peft;

import java.util.List;
import org.finetune4j.nn.Linear;

/** Makes what a method adds to one layer, without changing the model. */
@FunctionalInterface
public interface LayerFactory {

    /**
     * {@return what is added to a layer}
     *
     * @param path in the model
     * @param linear the layer there
     */
    AdaptedLinear make(String path, Linear linear);

    /** {@return what all layers share, made before them; the adapter owns it} */
    default List<AdapterPart> shared() {
        return List.of();
    }

    /**
     * A factory whose layers share something.
     *
     * @param shared what all layers share
     * @param layers makes the layers
     * @return the factory
     */
    static LayerFactory sharing(AdapterPart shared, LayerFactory layers) {
        return new LayerFactory() {
            @Override
            public AdaptedLinear make(String path, Linear linear) {
                return layers.make(path, linear);
            }

            @Override
            public List<AdapterPart> shared() {
                return List.of(shared);
            }
        };
    }
}
