package org.finetune4j.peft.lora;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdaptedEmbedding;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/** {@code row(id) + scale * B A[id]}: LoRA on a table of vectors. A starts at zero here, and B at random. */
final class LoraEmbedding extends AdaptedEmbedding {

    private final Parameter loraA;
    private final Parameter loraB;
    private final double scale;
    private final boolean storesBase;

    /** Makes the matrices [rank, count] and [hidden, rank]; nothing of the model is changed yet. */
    LoraEmbedding(CausalLM model, LoraConfig config, String path, Embedding table, boolean trainable) {
        super(model.network(), path, table);
        if (config.useDora() || config.initialization().takesFromBase() || config.loraBias()) {
            throw new UserErrorException("target_modules: '" + path + "' is an embedding, where use_dora, lora_bias and"
                    + " init_lora_weights " + config.initialization().peftValue() + " are not implemented");
        }
        int rank = config.rankOf(path);
        long hidden = table.weight().size(1);
        boolean random = config.initialization() == LoraInitialization.RANDOM;
        this.scale = config.scaleOf(path);
        this.storesBase = config.storesBaseOf(model, table);
        this.loraA = InitialValues.parameter(
                model,
                path + ".lora_embedding_A",
                random
                        ? InitialValues.normal(model.device(), 1, rank, table.count())
                        : InitialValues.zeros(model.device(), rank, table.count()),
                trainable);
        this.loraB = InitialValues.parameter(
                model, path + ".lora_embedding_B", InitialValues.normal(model.device(), 1, hidden, rank), trainable);
    }

    @Override
    public Tensor forward(Tensor ids, Tensor rows) {
        DType dtype = rows.dtype();
        Tensor low = Functional.embedding(loraA.as(dtype).t(), ids); // [..., rank]
        return rows.addScaled(low.matmul(loraB.as(dtype).t()), scale); // [..., hidden]
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("lora_embedding_A"), loraA);
        parameters.put(key("lora_embedding_B"), loraB);
        return parameters;
    }

    @Override
    public Map<String, Parameter> baseParametersByKey() {
        return storesBase ? Map.of(key("base_layer.weight"), base().weight()) : Map.of();
    }

    @Override
    public Collection<Parameter> parameters() {
        return parametersByKey().values();
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        DType dtype = weight.dtype();
        return weight.addScaled(loraB.as(dtype).matmul(loraA.as(dtype)).t(), scale); // [count, hidden]
    }

    @Override
    public String toString() {
        return "LoRA";
    }
}
