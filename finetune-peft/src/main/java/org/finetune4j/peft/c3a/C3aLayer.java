package org.finetune4j.peft.c3a;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.DenseDeltaLayer;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** {@code y = base(x) + D x / in}: block (m, n) of D has the element {@code w[m, n, (column - row) mod size]}. */
final class C3aLayer extends DenseDeltaLayer {

    private final Parameter kernel;
    private final Tensor places;
    private final int size;

    C3aLayer(CausalLM model, C3a config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        this.size = config.blockSizeOf(path);
        long in = linear.wholeInFeatures();
        long out = linear.wholeOutFeatures();
        if (in % size != 0 || out % size != 0) {
            throw new UserErrorException("'block_size' is " + size + ", which does not divide both the " + in
                    + " inputs and the " + out + " outputs of " + path);
        }
        long[] index = new long[size * size];
        for (int row = 0; row < size; row++) {
            for (int column = 0; column < size; column++) {
                index[row * size + column] = Math.floorMod(column - row, size);
            }
        }
        Device device = model.device();
        this.places = Tensors.of(index, index.length).to(device).copy().unscoped();
        Tensor zeros = InitialValues.zeros(device, out / size, in / size, size);
        double xavier = Math.sqrt(6.0 / (in + out));
        double kaiming = Math.sqrt(1.0 / in);
        this.kernel = InitialValues.parameter(
                model,
                path + ".c3a_kernel",
                switch (config.start()) {
                    case XAVIER_UNIFORM -> zeros.uniformInPlace(-xavier, xavier);
                    case KAIMING_UNIFORM -> zeros.uniformInPlace(-kaiming, kaiming);
                    case GAUSSIAN -> zeros.normalInPlace(0, 1);
                    case ZERO -> zeros;
                },
                trainable);
    }

    @Override
    protected Tensor delta(DType dtype) {
        long in = base().wholeInFeatures();
        long out = base().wholeOutFeatures();
        return kernel.as(dtype)
                .reshape(-1, size)
                .indexSelect(1, places) // [blocks, size * size]
                .reshape(out / size, in / size, size, size)
                .transpose(1, 2)
                .reshape(out, in)
                .div((double) in);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("c3a_kernel"), kernel);
        return parameters;
    }

    @Override
    public void free() {
        super.free();
        places.close();
    }

    @Override
    public String toString() {
        return "C3A";
    }
}
