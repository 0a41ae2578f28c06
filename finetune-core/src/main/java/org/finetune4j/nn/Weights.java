package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/**
 * Where the layers of a model get their parameters from while it is built: a checkpoint or an initialisation. A layer asks
 * for its parameters by their short names; where it stands in the model is in the prefix, see {@link #at}.
 */
public final class Weights {

    /** Finds or makes one tensor. */
    public interface Source {

        /** Whether there is a tensor of this full name. A source that makes tensors has those a model requires only. */
        boolean contains(String name);

        /**
         * The tensor of this full name.
         *
         * @param initialization what a source without stored values makes
         * @throws org.finetune4j.UserErrorException when it is missing or has another shape
         */
        Tensor tensor(String name, Initialization initialization, long[] shape);

        /** The weight of a linear layer: a source may give it compressed. */
        default Parameter linearWeight(String name, Initialization initialization, long[] shape) {
            return new Parameter(name, tensor(name, initialization, shape));
        }
    }

    private final Source source;
    private final String prefix;

    private Weights(Source source, String prefix) {
        this.source = source;
        this.prefix = prefix;
    }

    /** The weights of a whole model. */
    public static Weights of(Source source) {
        return new Weights(source, "");
    }

    /** The weights of the part called {@code name}. */
    public Weights at(String name) {
        return new Weights(source, prefix + name + ".");
    }

    /** The weights of element {@code index} of the list called {@code name}. */
    public Weights at(String name, int index) {
        return at(name + "." + index);
    }

    public boolean contains(String name) {
        return source.contains(prefix + name);
    }

    /** The parameter called {@code name}, which must have this shape. */
    public Parameter parameter(String name, Initialization initialization, long... shape) {
        return new Parameter(prefix + name, source.tensor(prefix + name, initialization, shape));
    }

    /** The weight of a linear layer called {@code name}, which must have this shape; it may come compressed. */
    public Parameter linearWeight(String name, Initialization initialization, long... shape) {
        return source.linearWeight(prefix + name, initialization, shape);
    }
}
