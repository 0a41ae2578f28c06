package org.finetune4j.peft.randlora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.AdapterSlices;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * {@code y = base(x) + alpha / r * B (l * A * g) x}, A and B being cut to this layer: l scales the rows of every product and g its columns.
 * Where a layer has more inputs than outputs, both are transposed and change places.
 */
final class RandLoraLayer extends AdaptedLinear {

    private final RandLoraBases bases;
    private final Parameter rows;
    private final Parameter columns;
    private final long smaller;
    private final long larger;
    private final long products;
    private final double scale;
    private final double dropout;
    private final AdapterSlices slices;

    RandLoraLayer(CausalLM model, RandLora config, RandLoraBases bases, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        this.bases = bases;
        this.smaller = Math.min(linear.wholeInFeatures(), linear.wholeOutFeatures());
        this.larger = Math.max(linear.wholeInFeatures(), linear.wholeOutFeatures());
        this.products = config.products(smaller);
        this.scale = config.alpha() / config.rank();
        this.dropout = config.dropout();
        this.slices = new AdapterSlices(linear);
        Device device = model.device();
        this.rows = slices.ofAll(InitialValues.parameter(
                model,
                path + ".randlora_lambda",
                config.neutral()
                        ? InitialValues.zeros(device, config.rank(), products)
                        : InitialValues.normal(device, 1, config.rank(), products),
                trainable));
        double start = 1.0 / (config.neutral() ? Math.max(products, smaller) : larger);
        this.columns = slices.ofAll(InitialValues.parameter(
                model,
                path + ".randlora_gamma",
                InitialValues.zeros(device, products, smaller).fillInPlace(start),
                trainable));
    }

    /** The two factors of this rank's change in the order in which an input meets them: [rank * products, in], [out, rank * products]. */
    private Tensor[] factors(DType dtype) {
        Tensor scaled = rows.as(dtype)
                .unsqueeze(2) // [rank, products, 1]
                .mul(bases.matrixA().as(dtype).narrow(2, 0, smaller)) // [rank, products, smaller]
                .mul(columns.as(dtype))
                .reshape(-1, smaller);
        Tensor wide = bases.matrixB()
                .as(dtype)
                .narrow(0, 0, larger)
                .narrow(1, 0, products)
                .reshape(larger, -1); // [larger, products * rank]
        boolean isOfInputs = smaller == base().wholeInFeatures();
        Tensor first = isOfInputs ? scaled : wide.t();
        Tensor second = isOfInputs ? wide : scaled.t();
        return new Tensor[] {slices.inputsOf(first), slices.outputsOf(second)};
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        Tensor[] factors = factors(x.dtype());
        Tensor low = Functional.linear(slices.dropped(x, dropout, context), factors[0], null);
        return linear.project(x, context).addScaled(Functional.linear(low, factors[1], null), scale);
    }

    @Override
    protected @Nullable String insteadOfSlices() {
        return null;
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        Tensor[] factors = factors(weight.dtype());
        return weight.addScaled(factors[1].matmul(factors[0]), scale);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("randlora_lambda"), rows);
        parameters.put(key("randlora_gamma"), columns);
        // PEFT writes what all layers share with every layer once more.
        parameters.put(key("randlora_A"), bases.matrixA());
        parameters.put(key("randlora_B"), bases.matrixB());
        return parameters;
    }

    /** What is shared goes with {@link RandLoraBases}. */
    @Override
    public void free() {
        rows.close();
        columns.close();
    }

    @Override
    public String toString() {
        return "RandLoRA";
    }
}
