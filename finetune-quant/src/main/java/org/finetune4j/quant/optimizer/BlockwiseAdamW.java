package org.finetune4j.quant.optimizer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.quant.kernel.AdamKernel;
import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.FusedAdamW;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.offload.StateMemory;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.ParameterGroup;

/**
 * AdamW as bitsandbytes has it: both moments in 8 bits, in blocks of 256 values (Dettmers et al. 2021), or in float32; in
 * memory, or in files that the system pages in and out. Small parameters keep float32 moments in either case.
 */
public final class BlockwiseAdamW implements Optimizer {

    /** Parameters of fewer values have float32 moments. */
    public static final long SMALLEST_IN_8_BITS = 4096;

    private static final String STEP = "step";

    private final List<ParameterGroup> groups;
    private final AdamKernel.Settings settings;
    private final boolean eightBit;
    private StateMemory memory;
    private boolean ownsMemory = true;
    private final Map<Parameter, Moments> moments = new LinkedHashMap<>();
    private final Map<Device, DeviceKernels> kernels = new HashMap<>();
    private long steps;

    /** The two moments of a parameter: 8-bit codes with their scales, or float32 without. */
    private record Moments(List<Tensor> tensors) {
        boolean isEightBit() {
            return tensors.size() == NAMES_8.size();
        }

        List<String> names() {
            return isEightBit() ? NAMES_8 : NAMES_32;
        }

        private static final List<String> NAMES_8 = List.of("state1", "state2", "absmax1", "absmax2");
        private static final List<String> NAMES_32 = List.of("exp_avg", "exp_avg_sq");
    }

    /**
     * Makes the optimizer; it takes over {@code memory}.
     *
     * @param groups contiguous float32 parameters, on the device of {@code memory}
     * @param beta1 decay of the first moment, from 0 to below 1
     * @param beta2 decay of the second moment, from 0 to below 1
     * @param epsilon added to the root of the second moment
     * @param eightBit whether moments are in 8 bits
     * @param memory where the moments lie
     */
    public BlockwiseAdamW(
            List<ParameterGroup> groups,
            double beta1,
            double beta2,
            double epsilon,
            boolean eightBit,
            StateMemory memory) {
        this.groups = List.copyOf(groups);
        this.settings = new AdamKernel.Settings((float) beta1, (float) beta2, (float) epsilon);
        this.eightBit = eightBit;
        this.memory = memory;
    }

    @Override
    public void step(double learningRate) {
        steps++;
        step(groups, learningRate);
    }

    @Override
    public boolean stepsInParts() {
        return true;
    }

    @Override
    public OpenStep openStep(double learningRate) {
        steps++;
        return parameters -> step(ParameterGroup.only(groups, parameters), learningRate);
    }

    private void step(List<ParameterGroup> some, double learningRate) {
        for (ParameterGroup group : some) {
            for (Parameter parameter : group.parameters()) {
                try (TensorScope scope = TensorScope.open()) {
                    Tensor gradient = parameter.grad();
                    if (gradient != null) {
                        Moments state = of(parameter);
                        memory.touch(state.tensors());
                        step(
                                parameter.local(),
                                gradient.contiguous(),
                                state,
                                group.weightDecay(),
                                learningRate * group.learningRateFactor());
                        memory.touch(parameter.form().memory());
                    }
                }
            }
        }
    }

    private void step(Tensor value, Tensor gradient, Moments state, double weightDecay, double learningRate) {
        List<Tensor> m = state.tensors();
        if (state.isEightBit() && value.device().equals(Device.CPU)) {
            AdamKernel.step(
                    value,
                    gradient,
                    m.get(0),
                    m.get(1),
                    m.get(2),
                    m.get(3),
                    settings,
                    steps,
                    learningRate,
                    weightDecay);
        } else if (state.isEightBit()) {
            AdamKernel.Update update = AdamKernel.Update.of(settings, steps, learningRate, weightDecay);
            kernels.computeIfAbsent(value.device(), BlockwiseAdamW::kernelsOf)
                    .adamStep(value, gradient, m.get(0), m.get(1), m.get(2), m.get(3), update);
        } else {
            FusedAdamW.step(
                    List.of(value),
                    List.of(gradient),
                    List.of(m.get(0)),
                    List.of(m.get(1)),
                    steps,
                    learningRate,
                    settings.beta1(),
                    settings.beta2(),
                    weightDecay,
                    settings.epsilon());
        }
    }

    /** @throws UserErrorException when moments in 8 bits cannot be updated on that device */
    static DeviceKernels kernelsOf(Device device) {
        return DeviceKernels.of(device)
                .orElseThrow(() -> new UserErrorException(
                        "there are no kernels for moments in 8 bits on " + device + ": choose optim adamw"));
    }

    private Moments of(Parameter parameter) {
        return moments.computeIfAbsent(parameter, key -> {
            long[] shape = key.local().shape();
            long count = key.local().numel();
            List<Tensor> tensors = new ArrayList<>();
            if (eightBit && count >= SMALLEST_IN_8_BITS) {
                long blocks = (count + AdamKernel.BLOCK_SIZE - 1) / AdamKernel.BLOCK_SIZE;
                tensors.add(memory.zeros(DType.UINT8, shape));
                tensors.add(memory.zeros(DType.UINT8, shape));
                tensors.add(memory.zeros(DType.FLOAT32, blocks));
                tensors.add(memory.zeros(DType.FLOAT32, blocks));
            } else {
                tensors.add(memory.zeros(DType.FLOAT32, shape));
                tensors.add(memory.zeros(DType.FLOAT32, shape));
            }
            return new Moments(tensors);
        });
    }

    /** {@inheritDoc} Moments go there and no longer into the memory that this was made with. */
    @Override
    public void keepStatesIn(StateMemory place) {
        memory.close();
        memory = place;
        ownsMemory = false;
    }

    @Override
    public void clearGradients() {
        groups.forEach(group -> group.parameters().forEach(Parameter::clearGrad));
    }

    @Override
    public Map<String, Tensor> state() {
        Map<String, Tensor> saved = new LinkedHashMap<>();
        saved.put(STEP, Tensors.of(new long[] {steps}, 1));
        moments.forEach((parameter, state) -> {
            for (int i = 0; i < state.tensors().size(); i++) {
                saved.put(
                        parameter.name() + "." + state.names().get(i),
                        state.tensors().get(i));
            }
        });
        return saved;
    }

    @Override
    public void restore(Map<String, Tensor> saved) {
        Tensor step = saved.get(STEP);
        steps = step == null ? 0 : step.toLongArray()[0];
        for (ParameterGroup group : groups) {
            for (Parameter parameter : group.parameters()) {
                if (saved.keySet().stream().anyMatch(name -> name.startsWith(parameter.name() + "."))) {
                    restore(parameter, saved);
                }
            }
        }
    }

    private void restore(Parameter parameter, Map<String, Tensor> saved) {
        Moments state = of(parameter);
        for (int i = 0; i < state.tensors().size(); i++) {
            String name = parameter.name() + "." + state.names().get(i);
            Tensor stored = saved.get(name);
            Tensor own = state.tensors().get(i);
            if (stored == null || !Arrays.equals(stored.shape(), own.shape()) || stored.dtype() != own.dtype()) {
                throw new UserErrorException("optimizer state '" + name + "' is "
                        + (stored == null ? "missing" : Arrays.toString(stored.shape()) + " " + stored.dtype())
                        + ", expected " + Arrays.toString(own.shape()) + " " + own.dtype());
            }
            own.copyInPlace(stored);
        }
    }

    @Override
    public void close() {
        moments.clear();
        if (ownsMemory) {
            memory.close();
        }
    }
}
