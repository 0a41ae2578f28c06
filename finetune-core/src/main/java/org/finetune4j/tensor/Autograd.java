package org.finetune4j.tensor;

import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * libtorch's automatic differentiation. Grad mode is a property of a thread; both guards restore what they found.
 *
 * <pre>{@code
 * try (Autograd.Mode recording = Autograd.enabled()) {
 *     Tensor loss = ...;
 *     Autograd.backward(loss);
 * }
 * }</pre>
 */
public final class Autograd {

    private Autograd() {}

    /** A grad mode that ends when closed. */
    public static final class Mode implements AutoCloseable {

        private final boolean previous;

        private Mode(boolean enabled) {
            Torch.ensureLoaded();
            previous = GradMode.is_enabled();
            GradMode.set_enabled(enabled);
        }

        @Override
        public void close() {
            GradMode.set_enabled(previous);
        }
    }

    /**
     * Records operations on this thread until the guard closes.
     *
     * @return the guard
     */
    public static Mode enabled() {
        return new Mode(true);
    }

    /**
     * Records nothing on this thread until the guard closes.
     *
     * @return the guard
     */
    public static Mode disabled() {
        return new Mode(false);
    }

    /** {@return whether this thread records operations now} */
    public static boolean isEnabled() {
        Torch.ensureLoaded();
        return GradMode.is_enabled();
    }

    /**
     * Back-propagates a scalar: adds d({@code scalar})/d(leaf) to {@link Tensor#grad()} of every leaf that requires it,
     * and frees the graph.
     *
     * @param scalar one element
     */
    public static void backward(Tensor scalar) {
        run("backward", new Tensor[] {scalar}, new Tensor[0]);
    }

    /**
     * Back-propagates a gradient through the graph that made a tensor, and frees the graph.
     *
     * @param output what the graph made
     * @param gradient d(loss)/d(output), of the output's shape
     */
    public static void backward(Tensor output, Tensor gradient) {
        run("backward", new Tensor[] {output}, new Tensor[] {gradient});
    }

    /**
     * Back-propagates several outputs of one graph at once, each with its own gradient.
     *
     * @param outputs of one graph
     * @param gradients of the outputs' shapes, in their order
     */
    public static void backward(Tensor[] outputs, Tensor[] gradients) {
        run("backward", outputs, gradients);
    }

    private static void run(String name, Tensor[] outputs, Tensor[] gradients) {
        try (TensorVector outputVector = vector(outputs);
                TensorVector gradientVector = vector(gradients);
                TensorVector allLeaves = new TensorVector();
                BoolOptional retainGraph = new BoolOptional(false)) {
            torch.backward(outputVector, gradientVector, retainGraph, false, allLeaves);
        } catch (RuntimeException e) {
            throw TensorException.of(name, e, outputs);
        }
    }

    private static TensorVector vector(Tensor[] tensors) {
        org.bytedeco.pytorch.Tensor[] natives = new org.bytedeco.pytorch.Tensor[tensors.length];
        for (int i = 0; i < tensors.length; i++) {
            natives[i] = tensors[i].handle();
        }
        return natives.length == 0 ? new TensorVector() : new TensorVector(natives);
    }

    /**
     * The same memory, whose changes autograd does not count: for values that are put back, before a backward pass needs them, as they
     * were in the forward pass.
     *
     * @param tensor that a graph may have saved
     * @return a view without history
     */
    public static Tensor uncounted(Tensor tensor) {
        return Tensor.wrap(tensor.handle().variable_data());
    }
}
