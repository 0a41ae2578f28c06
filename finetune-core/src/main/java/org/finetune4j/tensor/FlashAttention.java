package org.finetune4j.tensor;

import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;
import org.jspecify.annotations.Nullable;

/**
 * libtorch's fused attention for CPUs, forwards and backwards apart (Dao et al. 2022): the matrix of scores never exists. Heads of
 * keys and values are as many as those of queries, but may lie at the same place. The binding does not map the two operators, so
 * they are called through the dispatcher.
 */
public final class FlashAttention {

    private FlashAttention() {}

    private static final class Operators {
        private static final OperatorHandle FORWARD =
                Dispatcher.singleton().findSchemaOrThrow("aten::_scaled_dot_product_flash_attention_for_cpu", "");
        private static final OperatorHandle BACKWARD = Dispatcher.singleton()
                .findSchemaOrThrow("aten::_scaled_dot_product_flash_attention_for_cpu_backward", "");
        private static final IValue NO_DROPOUT = new IValue(0.0);
    }

    /**
     * What attention gave.
     *
     * @param output [batch, heads, queries, headDim]
     * @param logSumExp [batch, heads, queries], of the scores, which going back needs
     */
    public record Output(Tensor output, Tensor logSumExp) {}

    /**
     * Derivatives of a loss.
     *
     * @param query of the queries' shape
     * @param key of the keys' shape, for every head of the queries
     * @param value as {@code key}
     */
    public record Gradients(Tensor query, Tensor key, Tensor value) {}

    /**
     * {@code softmax(scale q k^T + mask) v}.
     *
     * @param query [batch, heads, queries, headDim]
     * @param key [batch, heads, keys, headDim]
     * @param value as {@code key}
     * @param mask added to the scores, broadcastable to [batch, heads, queries, keys], in the queries' type; or null
     * @param causal whether, without a mask, query i sees keys 0 to i
     * @param scale of the products
     * @return output and what it takes to go back; both belong to the scope
     */
    public static Output forward(
            Tensor query, Tensor key, Tensor value, @Nullable Tensor mask, boolean causal, double scale) {
        Torch.ensureLoaded();
        try (IValueVector stack = new IValueVector()) {
            push(stack, query, key, value);
            options(stack, mask, causal, scale);
            Operators.FORWARD.callBoxed(stack);
            return new Output(result(stack, 0), result(stack, 1));
        } catch (RuntimeException e) {
            throw TensorException.of("flash attention", e, query, key, value, mask);
        }
    }

    /**
     * Goes back through {@link #forward}, which was given the same queries, keys, values, mask and scale.
     *
     * @param gradient d(loss)/d(output), of the output's shape
     * @param query as it was
     * @param key as it was
     * @param value as it was
     * @param forward what came of them
     * @param mask as it was
     * @param causal as it was
     * @param scale as it was
     * @return the derivatives, which belong to the scope
     */
    public static Gradients backward(
            Tensor gradient,
            Tensor query,
            Tensor key,
            Tensor value,
            Output forward,
            @Nullable Tensor mask,
            boolean causal,
            double scale) {
        try (IValueVector stack = new IValueVector()) {
            push(stack, gradient, query, key, value, forward.output, forward.logSumExp);
            options(stack, mask, causal, scale);
            Operators.BACKWARD.callBoxed(stack);
            return new Gradients(result(stack, 0), result(stack, 1), result(stack, 2));
        } catch (RuntimeException e) {
            throw TensorException.of("flash attention backward", e, gradient, query, key, value, mask);
        }
    }

    private static void push(IValueVector stack, Tensor... tensors) {
        for (Tensor tensor : tensors) {
            try (IValue value = new IValue(tensor.handle())) {
                stack.push_back(value);
            }
        }
    }

    private static void options(IValueVector stack, @Nullable Tensor mask, boolean causal, double scale) {
        stack.push_back(Operators.NO_DROPOUT);
        try (IValue flag = new IValue(causal && mask == null);
                IValue added = mask == null ? new IValue() : new IValue(mask.handle());
                IValue factor = new IValue(scale)) {
            stack.push_back(flag);
            stack.push_back(added);
            stack.push_back(factor);
        }
    }

    private static Tensor result(IValueVector stack, long index) {
        try (IValue value = stack.get(index)) {
            // A handle of its own: what the stack gives is gone with it.
            return Tensor.wrap(new org.bytedeco.pytorch.Tensor(value.toTensor()));
        }
    }
}
