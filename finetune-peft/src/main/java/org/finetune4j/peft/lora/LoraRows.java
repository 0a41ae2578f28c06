package org.finetune4j.peft.lora;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.RowGroups;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** One layer of a model whose batches use several LoRA adapters: the base once for all rows, each adapter for its own. */
final class LoraRows implements LinearExtension {

    private final Object owner;
    private final Map<Integer, LoraLayer> layers = new ConcurrentHashMap<>();

    /** @param owner who numbers the adapters */
    LoraRows(Object owner) {
        this.owner = owner;
    }

    void add(int adapter, LoraLayer layer) {
        layers.put(adapter, layer);
    }

    void remove(int adapter) {
        layers.remove(adapter);
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        Tensor output = linear.project(x, context); // [rows, ..., out]
        RowGroups groups = context == null ? null : context.rowGroups();
        if (context == null || groups == null) {
            return output;
        }
        if (Autograd.isEnabled()) {
            throw new IllegalStateException("rows with adapters of their own are for inference: train one at a time");
        }
        if (groups.owner() != owner) {
            throw new IllegalStateException("these rows were assigned by another batch of adapters than the model has");
        }
        for (RowGroups.Group group : groups.groups()) {
            LoraLayer layer = layers.get(group.adapter());
            if (layer == null) {
                continue;
            }
            if (group.index().size(0) == x.size(0)) {
                output.addInPlace(layer.added(x, context));
            } else {
                Tensor own = x.indexSelect(0, group.index()); // [own rows, ..., in]
                output.indexAddInPlace(0, group.index(), layer.added(own, context));
            }
        }
        return output;
    }

    @Override
    public Collection<Parameter> parameters() {
        return List.of();
    }

    @Override
    public String toString() {
        return "several LoRA adapters";
    }
}
