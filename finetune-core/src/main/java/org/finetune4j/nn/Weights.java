package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/**
 * Where the layers of a model get their parameters from while it is built: a checkpoint or an initialisation. A layer asks
 * for its parameters by their short names; where it stands in the model is in the prefix, see {@link #at}.
 */
public final class Weights {

    /** Finds or makes one tensor. */
    public interface Source {

        /**
         * {@return whether there is a tensor of this full name} A source that makes tensors has those a model requires only.
         *
         * @param name in the checkpoint
         */
        boolean contains(String name);

        /**
         * {@return the tensor of this full name}
         *
         * @param name in the checkpoint
         * @param initialization what a source without stored values makes
         * @param shape the length of every dimension
         * @throws org.finetune4j.UserErrorException when it is missing or has another shape
         */
        Tensor tensor(String name, Initialization initialization, long[] shape);

        /**
         * {@return the weight of a linear layer: a source may give it compressed}
         *
         * @param name in the checkpoint
         * @param initialization what a new model starts with
         * @param shape the length of every dimension
         */
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

    /**
     * {@return the weights of a whole model}
     *
     * @param source of tensors by full name
     */
    public static Weights of(Source source) {
        return new Weights(source, "");
    }

    /**
     * {@return the weights of the part called {@code name}}
     *
     * @param name in the checkpoint
     */
    public Weights at(String name) {
        return new Weights(source, prefix + name + ".");
    }

    /**
     * {@return the weights of element {@code index} of the list called {@code name}}
     *
     * @param name in the checkpoint
     * @param index from 0
     */
    public Weights at(String name, int index) {
        return at(name + "." + index);
    }

    /**
     * {@return whether there is a tensor of this name}
     *
     * @param name below that of this part
     */
    public boolean contains(String name) {
        return source.contains(prefix + name);
    }

    /**
     * {@return the parameter called {@code name}, which must have this shape}
     *
     * @param name in the checkpoint
     * @param initialization what a new model starts with
     * @param shape the length of every dimension
     */
    public Parameter parameter(String name, Initialization initialization, long... shape) {
        return new Parameter(prefix + name, source.tensor(prefix + name, initialization, shape));
    }

    /**
     * {@return the weight of a linear layer called {@code name}, which must have this shape; it may come compressed}
     *
     * @param name in the checkpoint
     * @param initialization what a new model starts with
     * @param shape the length of every dimension
     */
    public Parameter linearWeight(String name, Initialization initialization, long... shape) {
        return source.linearWeight(prefix + name, initialization, shape);
    }
}
