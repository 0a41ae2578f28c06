package org.finetune4j.peft.lokr;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.LycorisConfig;
import org.finetune4j.peft.WeightDeltaLayer;
import org.finetune4j.peft.lokr.Lokr.Start;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;

/** {@code D = scale * kron(w1, w2)}, where a factor that is large is a product of two matrices (Yeh et al. 2024). */
final class LokrLayer extends WeightDeltaLayer {

    private static final String FIRST = "lokr_w1";
    private static final String SECOND = "lokr_w2";

    private final Lokr config;
    private final Map<String, Parameter> factors = new LinkedHashMap<>();
    private final double scale;

    LokrLayer(CausalLM model, Lokr config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear, config.shared());
        this.config = config;
        LycorisConfig shared = config.shared();
        int rank = shared.rankOf(path);
        this.scale = shared.scaleOf(path);
        Factors in = Factors.of(linear.wholeInFeatures(), config.decomposeFactor());
        Factors out = Factors.of(linear.wholeOutFeatures(), config.decomposeFactor());
        Start start = config.start();
        boolean firstWhole = !config.decomposeBoth() || rank >= Math.max(out.small(), in.small()) / 2.0;
        boolean secondWhole = rank >= Math.max(out.large(), in.large()) / 2.0;
        Device device = model.device();
        Map<String, Tensor> values = new LinkedHashMap<>();
        boolean firstZero = start == Start.NEUTRAL;
        boolean secondZero = start == Start.LYCORIS;
        if (firstWhole) {
            values.put(FIRST, start(device, firstZero, out.small(), in.small()));
        } else {
            values.put(FIRST + "_a", start(device, firstZero, out.small(), rank));
            values.put(FIRST + "_b", start(device, false, rank, in.small()));
        }
        if (secondWhole) {
            values.put(SECOND, start(device, secondZero, out.large(), in.large()));
        } else {
            values.put(SECOND + "_a", start(device, false, out.large(), rank));
            values.put(SECOND + "_b", start(device, secondZero, rank, in.large()));
        }
        values.forEach((name, value) ->
                factors.put(name, InitialValues.parameter(model, path + "." + name, value, trainable)));
    }

    private static Tensor start(Device device, boolean zero, long rows, long columns) {
        return zero ? InitialValues.zeros(device, rows, columns) : InitialValues.kaimingUniform(device, rows, columns);
    }

    @Override
    protected Tensor delta(DType dtype) {
        Tensor first = factor(FIRST, dtype); // [a, c]
        Tensor second = factor(SECOND, dtype); // [b, d]
        return first.view(first.size(0), 1, first.size(1), 1) // [a, 1, c, 1]
                .mul(second.view(1, second.size(0), 1, second.size(1))) // [a, b, c, d]
                .reshape(base().wholeOutFeatures(), base().wholeInFeatures())
                .mul(scale);
    }

    private Tensor factor(String name, DType dtype) {
        Parameter whole = factors.get(name);
        if (whole != null) {
            return whole.as(dtype);
        }
        return part(name + "_a").as(dtype).matmul(part(name + "_b").as(dtype));
    }

    private Parameter part(String name) {
        Parameter part = factors.get(name);
        if (part == null) {
            throw new IllegalStateException("no factor " + name + " in " + factors.keySet());
        }
        return part;
    }

    @Override
    protected boolean scalesRankDropout() {
        return config.rankDropoutScale();
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        factors.forEach((name, parameter) -> parameters.put(key(name), parameter));
        return parameters;
    }

    @Override
    public String toString() {
        return "LoKr";
    }
}
