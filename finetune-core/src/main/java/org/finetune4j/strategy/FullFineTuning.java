package org.finetune4j.strategy;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelWriter;
import org.finetune4j.model.StackedTensor;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Trains every parameter of the model, or those that {@link FrozenParts} leaves. */
public final class FullFineTuning implements FineTuningStrategy {

    private final FrozenParts frozen;

    /** Trains everything. */
    public FullFineTuning() {
        this(FrozenParts.none());
    }

    /**
     * Trains what is not frozen.
     *
     * @param frozen what stays as it is
     */
    public FullFineTuning(FrozenParts frozen) {
        this.frozen = frozen;
    }

    @Override
    public String method() {
        return "full";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.SPECIFICATION;
    }

    @Override
    public AttachedStrategy attach(CausalLM model) {
        try (CausalLM.Entry open = model.keepOpen()) {
            return new Attached(model, frozen);
        }
    }

    @Override
    public Map<String, Object> settings() {
        return frozen.settings();
    }

    private static final class Attached implements AttachedStrategy {

        private final CausalLM model;
        private final List<Parameter> parameters;
        private boolean closed;

        Attached(CausalLM model, FrozenParts frozen) {
            this.model = model;
            this.parameters = frozen.trainable(model.network());
            // What is mapped from a file gives way to a memory of its own: nobody may be reading it.
            model.alone(() -> parameters.forEach(
                    parameter -> parameter.train(updateDType(parameter.dtype(), model.computeDType()))));
        }

        /** The type of the calculation, or that of the checkpoint where it is more exact. */
        private static DType updateDType(DType stored, DType computed) {
            return stored.itemSize() > computed.itemSize() ? stored : computed;
        }

        @Override
        public Collection<Parameter> trainableParameters() {
            requireOpen();
            return parameters;
        }

        @Override
        public void save(Path directory) {
            requireOpen();
            ModelWriter.of(model).exact().write(directory);
        }

        @Override
        public void export(Path directory) {
            requireOpen();
            ModelWriter.of(model).write(directory);
        }

        @Override
        public void restore(Path directory) {
            requireOpen();
            try (CausalLM.Entry entry = model.enter();
                    CheckpointReader reader = CheckpointReader.open(directory);
                    Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                model.network().namedParameters().forEach((name, parameter) -> {
                    Tensor stored = StackedTensor.read(reader, model.config(), name);
                    if (!Arrays.equals(stored.shape(), parameter.wholeShape())) {
                        throw new UserErrorException(directory + ": tensor '" + name + "' has the shape "
                                + Arrays.toString(stored.shape()) + ", the model has "
                                + Arrays.toString(parameter.wholeShape()));
                    }
                    parameter.set(parameter.ownPart(stored));
                });
            }
        }

        @Override
        public void close() {
            model.alone(() -> parameters.forEach(Parameter::freeze)); // a step reads and writes the gradients that go
            closed = true;
        }

        private void requireOpen() {
            if (closed) {
                throw new IllegalStateException("full fine-tuning used after close: save the model before");
            }
        }
    }

    /** Full fine-tuning, as configurations name it. */
    public static final class Method implements FineTuningMethod {

        @Override
        public String name() {
            return "full";
        }

        @Override
        public FineTuningStrategy create(Settings settings) {
            return new FullFineTuning(
                    new FrozenParts(settings.integer("freeze_layers", 0, 0), settings.texts("trainable_parameters")));
        }
    }
}
