package org.finetune4j.peft.lora;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;

/** One layer of a model whose batches use several LoRA adapters: the base once for all rows, each adapter for its own. */
final class LoraRows implements LinearExtension {

    private final LoraBatch batch;
    private final String path;
    private final Map<Integer, LoraLayer> layers = new LinkedHashMap<>();

    LoraRows(LoraBatch batch, String path) {
        this.batch = batch;
        this.path = path;
    }

    void add(int adapter, LoraLayer layer) {
        layers.put(adapter, layer);
    }

    @Override
    public Tensor forward(Linear linear, Tensor x) {
        Tensor output = linear.project(x); // [rows, ..., out]
        RowGroups groups = batch.groups();
        if (groups == null) {
            return output;
        }
        if (Autograd.isEnabled()) {
            throw new IllegalStateException("rows with adapters of their own are for inference: train one at a time");
        }
        long rows = x.size(0);
        if (rows % groups.assigned() != 0) {
            throw new UserErrorException(
                    path + ": the batch has " + rows + " rows, adapters are assigned to " + groups.assigned());
        }
        for (RowGroups.Group group : groups.of(rows)) {
            LoraLayer layer = layers.get(group.adapter());
            if (layer == null) {
                continue;
            }
            if (group.index().size(0) == rows) {
                output.addInPlace(layer.added(x));
            } else {
                Tensor own = x.indexSelect(0, group.index()); // [own rows, ..., in]
                output.indexAddInPlace(0, group.index(), layer.added(own));
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
