package org.finetune4j.tensor;

import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.TensorTensorHook;
import org.jspecify.annotations.Nullable;

/**
 * Changes gradients on their way back. Where it is put on a tensor that operations recorded, the whole gradient of that tensor
 * passes through it before it goes on. One hook serves any number of tensors, of graphs that go back one after the other; it
 * stays open as long as any of them can.
 */
public final class GradientHook implements AutoCloseable {

    private final TensorTensorHook callback;
    private @Nullable Tensor given;

    /**
     * A hook.
     *
     * @param change is given a gradient, which it may not write into, and gives another of the same shape and type; it runs on
     *     the thread that goes back and records nothing
     */
    public GradientHook(UnaryOperator<Tensor> change) {
        Torch.ensureLoaded();
        callback = new TensorTensorHook() {
            @Override
            public TensorBase call(TensorBase gradient) {
                return changed(gradient, change);
            }
        };
    }

    /** Libtorch takes a reference after this returns: what was given last is freed when the next one is asked for. */
    private TensorBase changed(TensorBase gradient, UnaryOperator<Tensor> change) {
        close();
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor arrived = Tensor.wrap(new org.bytedeco.pytorch.Tensor(gradient));
            Tensor result = change.apply(arrived).unscoped();
            given = result;
            return result.handle();
        }
    }

    /**
     * The same values, whose gradient passes through this hook; the tensor's own users are not concerned.
     *
     * @param tensor what autograd knows
     * @return a view; the tensor itself where it wants no gradient
     */
    public Tensor on(Tensor tensor) {
        if (!Autograd.isEnabled() || !tensor.requiresGrad()) {
            return tensor;
        }
        Tensor view = tensor.view(tensor.shape());
        view.handle().register_hook(callback);
        return view;
    }

    /** Frees the last gradient that was given; the hook can go on. */
    @Override
    public void close() {
        if (given != null) {
            given.close();
            given = null;
        }
    }
}
