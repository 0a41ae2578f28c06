package org.finetune4j.peft;

import java.util.Objects;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;

/**
 * A parameter of the base model that a method trains as well, in a copy of its own: the base keeps its value, and a weight
 * that was shared is shared no longer.
 */
public final class TrainedCopy implements AutoCloseable {

    private final String key;
    private final Module module;
    private final String name;
    private final Parameter original;
    private final Parameter copy;

    private TrainedCopy(String key, Module module, String name, Parameter original, Parameter copy) {
        this.key = key;
        this.module = module;
        this.name = name;
        this.original = original;
        this.copy = copy;
    }

    /**
     * Puts a copy in the place of one of a module's own parameters.
     *
     * @param key what the adapter's file calls it
     * @param path of the module in the model
     * @param name short name of the parameter, such as {@code bias}
     */
    public static TrainedCopy of(String key, String path, Module module, String name, DType dtype, boolean trainable) {
        Parameter original = Objects.requireNonNull(module.ownParameters().get(name), name);
        Parameter copy =
                new Parameter(path + "." + name, original.as(dtype).detach().copy());
        if (trainable) {
            copy.train(dtype);
        }
        module.replaceParameter(name, copy);
        return new TrainedCopy(key, module, name, original, copy);
    }

    public String key() {
        return key;
    }

    public Parameter parameter() {
        return copy;
    }

    /** Puts the original back and frees the copy. */
    @Override
    public void close() {
        module.replaceParameter(name, original);
        copy.value().close();
    }
}
