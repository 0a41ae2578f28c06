package org.finetune4j.peft.fourierft;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.DenseDeltaLayer;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** {@code y = base(x) + D x} with {@code D = scaling * real(inverse Fourier transform of F)}, F zero but at the learned frequencies. */
final class FourierFtLayer extends DenseDeltaLayer {

    private final Parameter spectrum;
    private final Tensor places;
    private final double scaling;

    FourierFtLayer(CausalLM model, FourierFt config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        long size = linear.wholeInFeatures() * linear.wholeOutFeatures();
        int frequencies = config.frequenciesOf(path);
        if (frequencies > size) {
            throw new UserErrorException("'n_frequency' is " + frequencies + ", but " + path + " has " + size
                    + " weights: expected no more than those");
        }
        this.scaling = config.scaling();
        try (RandomGenerator.Use use = RandomGenerator.of(config.seed()).use()) {
            this.places = Tensors.randomPermutation(size)
                    .narrow(0, 0, frequencies)
                    .copy()
                    .to(model.device())
                    .unscoped(); // [n], into F row by row
        }
        this.spectrum = InitialValues.parameter(
                model,
                path + ".fourierft_spectrum",
                config.neutral()
                        ? InitialValues.zeros(model.device(), frequencies)
                        : InitialValues.normal(model.device(), 1, frequencies),
                trainable);
    }

    @Override
    protected Tensor delta(DType dtype) {
        // Transforms are calculated in float32 at least.
        DType exact = dtype == DType.FLOAT64 ? dtype : DType.FLOAT32;
        long out = base().wholeOutFeatures();
        long in = base().wholeInFeatures();
        Tensor whole = Tensors.zeros(exact, base().weight().device(), out * in)
                .scatterAddInPlace(0, places, spectrum.as(exact))
                .reshape(out, in);
        return LinearAlgebra.realInverseFourier2(whole).mul(scaling).to(dtype);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("fourierft_spectrum"), spectrum);
        return parameters;
    }

    @Override
    public void free() {
        super.free();
        places.close();
    }

    @Override
    public String toString() {
        return "FourierFT";
    }
}
