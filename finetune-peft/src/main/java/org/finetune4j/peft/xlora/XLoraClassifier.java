package org.finetune4j.peft.xlora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.TokenScaling;
import org.finetune4j.peft.AdapterPart;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** From a token's hidden state to what each adapter counts for, in each layer or in all: linear layers with ReLU between them. */
final class XLoraClassifier implements AdapterPart, TokenScaling {

    private static final String KEY = "base_model.internal_xlora_classifier.layers.";

    /** As good as minus infinity for a softmax, and without its NaN where nothing else is there. */
    private static final double NOTHING = -1e30;

    private record Layer(int number, Parameter weight, Parameter bias) {}

    private final CausalLM model;
    private final XLoraConfig config;
    private final int places;
    private final List<Layer> layers = new ArrayList<>();

    /**
     * A classifier with the values that PyTorch's linear layers start from.
     *
     * @param places how many adapted layers there are
     */
    XLoraClassifier(CausalLM model, XLoraConfig config, int places, boolean trainable) {
        this.model = model;
        this.config = config;
        this.places = config.scalings().layerwise() ? places : 1;
        long in = hiddenSize(model);
        // Activations and dropout are members of PyTorch's Sequential too, so the numbers of layers have gaps.
        int step = config.classifier().dropout() > 0 ? 3 : 2;
        for (int i = 0; i < config.classifier().depth(); i++) {
            boolean last = i == config.classifier().depth() - 1;
            long out = last
                    ? (long) this.places * config.adapters().size()
                    : config.classifier().size();
            double bound = 1 / Math.sqrt((double) in);
            Tensor weight = InitialValues.zeros(model.device(), out, in).uniformInPlace(-bound, bound);
            Tensor bias = InitialValues.zeros(model.device(), out).uniformInPlace(-bound, bound);
            String name = "xlora_classifier.layers." + i * step;
            layers.add(new Layer(
                    i * step,
                    InitialValues.parameter(model, name + ".weight", weight, trainable),
                    InitialValues.parameter(model, name + ".bias", bias, trainable)));
            in = out;
        }
    }

    static long hiddenSize(CausalLM model) {
        return model.network().inputEmbedding().weight().size(1);
    }

    @Override
    public @Nullable Tensor before(long batch, long seq, DType dtype, Device device) {
        if (config.scalingPassValue() == 0) {
            return null;
        }
        Tensor same = Tensors.ones(
                        dtype, device, batch, seq, places, config.adapters().size())
                .mul(config.scalingPassValue());
        return weighed(same);
    }

    @Override
    public Tensor of(Tensor hiddenStates, Dropout dropout) {
        Tensor x = hiddenStates.to(layers.get(0).weight.dtype());
        for (int i = 0; i < layers.size(); i++) {
            Layer layer = layers.get(i);
            x = Functional.linear(x, layer.weight.value(), layer.bias.value());
            if (i < layers.size() - 1) {
                x = dropout.apply(Functional.relu(x), config.classifier().dropout());
            }
        }
        Tensor logits = x.reshape(
                hiddenStates.size(0),
                hiddenStates.size(1),
                places,
                config.adapters().size());
        Tensor scalings = config.scalings().softmax()
                ? logits.div(config.scalings().temperature()).softmax(-1)
                : logits;
        return weighed(scalings).to(hiddenStates.dtype()); // [batch, seq, places, adapters]
    }

    /** What is left of the scalings [..., adapters] when the smaller ones are left out, with the weight of all. */
    private Tensor weighed(Tensor scalings) {
        Integer most = config.scalings().topK();
        Tensor left = scalings;
        if (most != null) {
            Tensor chosen = Functional.topK(scalings, most).indices();
            Tensor kept = Tensors.zeros(scalings.dtype(), scalings.device(), scalings.shape());
            kept.scatterAddInPlace(-1, chosen, Tensors.ones(scalings.dtype(), scalings.device(), chosen.shape()));
            left = scalings.mul(kept);
        }
        if (config.scalings().softmaxTopK()) {
            Tensor none = left.eq(0);
            Tensor others = left.add(none.to(left.dtype()).mul(NOTHING)); // what is 0 becomes nothing
            left = others.softmax(-1).mul(none.logicalNot().to(left.dtype()));
        }
        double weight = config.scalings().weight();
        return weight == 1 ? left : left.mul(weight);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        layers.forEach(layer -> {
            parameters.put(KEY + layer.number + ".weight", layer.weight);
            parameters.put(KEY + layer.number + ".bias", layer.bias);
        });
        return parameters;
    }

    @Override
    public void enable() {
        model.scaleTokens(this);
    }

    @Override
    public void disable() {
        model.removeTokenScaling();
    }

    @Override
    public void merge(boolean keepTies) {
        throw unmergeable();
    }

    static UserErrorException unmergeable() {
        return new UserErrorException(
                "X-LoRA cannot be folded into a model's weights: every token has scalings of its own;"
                        + " keep the adapter beside its model, or merge its adapters with fixed weights (finetune merge)");
    }

    @Override
    public void unmerge() {}

    @Override
    public void free() {
        parametersByKey().values().forEach(Parameter::close);
    }

    @Override
    public String toString() {
        return "X-LoRA";
    }
}
