package org.finetune4j.peft.adapter;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.BlockExtension;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.DecoderLayer.Block;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdapterPart;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.adapter.BottleneckConfig.Start;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/** {@code r + f + scaling * up(activation(down(x)))} after one block of one layer, before the norm of one that has it there. */
final class BottleneckLayer implements AdapterPart, BlockExtension {

    private static final double BERT_DEVIATION = 0.02;

    private final DecoderLayer layer;
    private final Block block;
    private final String key;
    private final BottleneckConfig config;
    private final Activation activation;
    private final Parameter downWeight;
    private final Parameter downBias;
    private final Parameter upWeight;
    private final Parameter upBias;

    /** @param key of this adapter in its file, such as {@code model.layers.0.output_adapters.adapters.default} */
    BottleneckLayer(
            CausalLM model, DecoderLayer layer, Block block, String key, BottleneckConfig config, boolean trainable) {
        this.layer = layer;
        this.block = block;
        this.key = key;
        this.config = config;
        this.activation = config.activation();
        long hidden = BottleneckAdapter.hiddenSize(model);
        int size = config.bottleneck().size(hidden);
        boolean bert = config.start() == Start.BERT;
        Tensor down = bert
                ? InitialValues.normal(model.device(), BERT_DEVIATION, size, hidden)
                : InitialValues.kaimingUniform(model.device(), size, hidden);
        Tensor up = bert
                ? InitialValues.normal(model.device(), BERT_DEVIATION, hidden, size)
                : InitialValues.zeros(model.device(), hidden, size);
        this.downWeight = InitialValues.parameter(model, key + ".adapter_down.0.weight", down, trainable);
        this.downBias = InitialValues.parameter(
                model, key + ".adapter_down.0.bias", InitialValues.zeros(model.device(), size), trainable);
        this.upWeight = InitialValues.parameter(model, key + ".adapter_up.weight", up, trainable);
        this.upBias = InitialValues.parameter(
                model, key + ".adapter_up.bias", InitialValues.zeros(model.device(), hidden), trainable);
    }

    @Override
    public Tensor join(Tensor residual, Tensor output, SequenceContext context) {
        Tensor sum = residual.add(output); // [batch, seq, hidden]
        Tensor input =
                switch (config.input()) {
                    case BLOCK -> output;
                    case SUM -> layer.normAfter(block, sum);
                    case STREAM -> residual;
                };
        DType dtype = input.dtype();
        Tensor down = Functional.linear(input, downWeight.as(dtype), downBias.as(dtype)); // [batch, seq, size]
        Tensor up = Functional.linear(activation.apply(down), upWeight.as(dtype), upBias.as(dtype));
        Tensor scaled = config.scaling() == 1 ? up : up.mul(config.scaling());
        return sum.add(context.dropout().apply(scaled, config.dropout())); // [batch, seq, hidden]
    }

    @Override
    public Collection<Parameter> parameters() {
        return List.of(downWeight, downBias, upWeight, upBias);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> keyed = new LinkedHashMap<>();
        keyed.put(key + ".adapter_down.0.weight", downWeight);
        keyed.put(key + ".adapter_down.0.bias", downBias);
        keyed.put(key + ".adapter_up.weight", upWeight);
        keyed.put(key + ".adapter_up.bias", upBias);
        return keyed;
    }

    @Override
    public void enable() {
        layer.extend(block, this);
    }

    @Override
    public void disable() {
        layer.removeExtension(block);
    }

    @Override
    public void merge(boolean keepTies) {
        throw new UserErrorException("a bottleneck adapter has an activation between its layers and cannot be folded"
                + " into a model's weights: keep the adapter beside its model");
    }

    @Override
    public void unmerge() {}

    @Override
    public void free() {
        parameters().forEach(Parameter::close);
    }

    @Override
    public String toString() {
        return "a bottleneck adapter";
    }
}
