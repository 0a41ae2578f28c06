package org.finetune4j.rlhf.rollout;

import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ValueHead;
import org.finetune4j.nn.Weights;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Expects rewards: a head on the policy's own last hidden states, or with an adapter of its own on the base below it. Its file has the
 * head's parameters under TRL's names.
 */
final class ValueFunction implements AutoCloseable {

    private static final String FILE = "value_head.safetensors";
    private static final String HEAD = "v_head.";
    private static final String TRUNK = "trunk.";

    private final ValueHead head;
    private final @Nullable Adapter policy;
    private final @Nullable Adapter trunk;

    /**
     * @param policy is off while the value function's own trunk is on; null only where there is no such trunk
     * @param trunk off, or null for the policy's
     */
    ValueFunction(CausalLM model, @Nullable Adapter policy, @Nullable Adapter trunk) {
        this.policy = policy;
        this.trunk = trunk;
        this.head = new ValueHead(
                Weights.of(new Weights.Source() {
                    @Override
                    public boolean contains(String name) {
                        return true;
                    }

                    @Override
                    public Tensor tensor(String name, Initialization initialization, long[] shape) {
                        return initialization.create(model.device(), shape).unscoped();
                    }
                }),
                model.network().outputLayer().weight().size(1),
                0,
                Initialization.ZEROS);
        head.allParameters().forEach(parameter -> parameter.train(DType.FLOAT32));
    }

    ValueHead head() {
        return head;
    }

    boolean hasOwnTrunk() {
        return trunk != null;
    }

    /** Lets the model compute as the value function's trunk. */
    void enter() {
        if (trunk != null && policy != null && !trunk.isEnabled()) {
            policy.disable();
            trunk.enable();
        }
    }

    /** Lets the model compute as the policy again. Doing so twice is fine. */
    void leave() {
        if (trunk != null && policy != null && trunk.isEnabled()) {
            trunk.disable();
            policy.enable();
        }
    }

    /** Looks at the model as the value function's trunk. */
    <T> T look(Supplier<T> look) {
        enter();
        try {
            return look.get();
        } finally {
            leave();
        }
    }

    Collection<Parameter> trainableParameters() {
        return byName().values().stream().filter(Parameter::isTrainable).toList();
    }

    /** What {@link #save} writes; some methods keep a part of their adapter as it was drawn. */
    Collection<Parameter> savedParameters() {
        return byName().values();
    }

    private Map<String, Parameter> byName() {
        Map<String, Parameter> all = new LinkedHashMap<>();
        head.namedParameters().forEach((name, parameter) -> all.put(HEAD + name, parameter));
        if (trunk != null) {
            trunk.parametersByKey().forEach((key, parameter) -> all.put(TRUNK + key, parameter));
        }
        return all;
    }

    void save(Path directory) {
        List<SafetensorsWriter.Entry> entries = byName().entrySet().stream()
                .map(entry -> SafetensorsWriter.Entry.of(entry.getKey(), entry.getValue()))
                .toList();
        SafetensorsWriter.write(directory.resolve(FILE), entries, SafetensorsWriter.PYTORCH_METADATA);
    }

    void restore(Path directory) {
        Path file = directory.resolve(FILE);
        try (SafetensorsFile stored = SafetensorsFile.open(file);
                TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.disabled()) {
            byName().forEach((name, parameter) -> {
                if (!stored.contains(name)) {
                    throw new UserErrorException(file + ": there is no '" + name + "'");
                }
                parameter.set(parameter.ownPart(stored.tensor(name)));
            });
        }
    }

    @Override
    public void close() {
        leave();
        head.close();
        if (trunk != null) {
            trunk.close();
        }
    }
}
