package org.finetune4j.peft.promptlearning;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Supplier;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Prompt;
import org.finetune4j.nn.PromptExtension;
import org.finetune4j.peft.AdapterPart;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** The virtual tokens of a model, made by an encoder. */
final class PromptPart implements AdapterPart, PromptExtension {

    private final CausalLM model;
    private final Supplier<PromptEncoder> newEncoder;
    private final Function<Tensor, Prompt> layout;
    private PromptEncoder encoder;

    /**
     * @param newEncoder makes the encoder of the settings with values to start from
     * @param layout from what an encoder makes, [virtualTokens, width], to what the model takes
     */
    PromptPart(CausalLM model, Supplier<PromptEncoder> newEncoder, Function<Tensor, Prompt> layout) {
        this.model = model;
        this.newEncoder = newEncoder;
        this.layout = layout;
        this.encoder = newEncoder.get();
    }

    PromptEncoder encoder() {
        return encoder;
    }

    @Override
    public int virtualTokens() {
        Parameter table = encoder.parameters().get(PromptEncoder.TABLE);
        if (table == null) {
            throw new IllegalStateException("an encoder without a table of virtual tokens");
        }
        return (int) table.size(0);
    }

    @Override
    public int tasks() {
        return encoder.tasks();
    }

    @Override
    public Prompt prompt(int @Nullable [] taskIds, DType dtype, Dropout dropout) {
        return layout.apply(encoder.encode(taskIds, dropout).to(dtype));
    }

    /** What the encoder makes: [virtualTokens, width], without recording, in the caller's scope. */
    Tensor product() {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            return scope.keep(encoder.encode(Dropout.OFF).detach());
        }
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> keyed = new LinkedHashMap<>();
        encoder.parameters().forEach((name, parameter) -> keyed.put(PromptAdapter.KEY_PREFIX + name, parameter));
        return keyed;
    }

    /** Lets a copy of these be the virtual tokens themselves: [virtualTokens, width]. */
    void useTable(Tensor values, boolean trainable) {
        exchange(new TableEncoder(model, values.copy(), trainable));
    }

    /** Gives the encoder's parameters these values; an encoder of other parameters gives way to that of the settings. */
    void useParameters(String origin, Map<String, Tensor> values) {
        if (!parametersByKey().keySet().equals(values.keySet())) {
            exchange(newEncoder.get());
        }
        Map<String, Parameter> parameters = parametersByKey();
        if (!parameters.keySet().equals(values.keySet())) {
            throw new UserErrorException(origin + ": holds " + values.keySet()
                    + ", the adapter's configuration asks for " + parameters.keySet());
        }
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            parameters.forEach((key, parameter) -> check(origin, key, parameter, valueOf(values, key)));
            parameters.forEach((key, parameter) -> parameter.value().detach().copyInPlace(valueOf(values, key)));
        }
    }

    private static Tensor valueOf(Map<String, Tensor> values, String key) {
        return Objects.requireNonNull(values.get(key), key);
    }

    private static void check(String origin, String key, Parameter parameter, Tensor value) {
        long[] wanted = parameter.shape();
        if (!Arrays.equals(wanted, value.shape())) {
            throw new UserErrorException(origin + ": tensor '" + key + "' has the shape "
                    + Arrays.toString(value.shape()) + ", the adapter's configuration asks for "
                    + Arrays.toString(wanted));
        }
    }

    private void exchange(PromptEncoder replacement) {
        free();
        encoder = replacement;
    }

    @Override
    public void enable() {
        model.extendPrompt(this);
    }

    @Override
    public void disable() {
        model.removePromptExtension();
    }

    @Override
    public void merge(boolean keepTies) {
        throw new UserErrorException(
                "virtual tokens cannot be folded into a model's weights: keep the adapter beside its model");
    }

    @Override
    public void unmerge() {}

    @Override
    public void free() {
        encoder.parameters().values().forEach(Parameter::close);
    }

    @Override
    public String toString() {
        return "virtual tokens";
    }
}
