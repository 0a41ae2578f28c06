package org.finetune4j.tensor;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** The operations of {@code torch.nn.functional} that the layers are made of. All of them are differentiable. */
public final class Functional {

    private Functional() {}

    /**
     * {@code x W^T + b}.
     *
     * @param x [..., in]
     * @param weight [out, in]
     * @param bias [out] or null
     * @return [..., out]
     */
    public static Tensor linear(Tensor x, Tensor weight, @Nullable Tensor bias) {
        Tensor left = MatrixProducts.multipliable(x);
        Tensor right = MatrixProducts.multipliable(weight);
        try {
            if (bias == null) {
                return Tensor.wrap(torch.linear(left.handle(), right.handle()));
            }
            try (TensorOptional optionalBias = new TensorOptional(bias.handle())) {
                return Tensor.wrap(torch.linear(left.handle(), right.handle(), optionalBias));
            }
        } catch (RuntimeException e) {
            throw TensorException.of("linear", e, x, weight, bias);
        }
    }

    /**
     * {@code b + x W} for matrices, one fused call.
     *
     * @param bias [out]
     * @param x [rows, in]
     * @param weight [in, out]
     * @return [rows, out]
     */
    public static Tensor addmm(Tensor bias, Tensor x, Tensor weight) {
        Tensor left = MatrixProducts.multipliable(x);
        Tensor right = MatrixProducts.multipliable(weight);
        try {
            return Tensor.wrap(bias.handle().addmm(left.handle(), right.handle()));
        } catch (RuntimeException e) {
            throw TensorException.of("addmm", e, bias, x, weight);
        }
    }

    /**
     * Rows of a table.
     *
     * @param weight [vocabulary, hidden]
     * @param ids int64, any shape, every value within the vocabulary
     * @return [..., hidden]
     */
    public static Tensor embedding(Tensor weight, Tensor ids) {
        try {
            return Tensor.wrap(torch.embedding(weight.handle(), ids.handle()));
        } catch (RuntimeException e) {
            throw TensorException.of("embedding", e, weight, ids);
        }
    }

    /**
     * Rows of a table, of which one is never trained.
     *
     * @param weight [vocabulary, hidden]
     * @param ids int64, any shape, every value within the vocabulary
     * @param frozenRow the row that gets no gradient; -1 for none
     * @return [..., hidden]
     */
    public static Tensor embedding(Tensor weight, Tensor ids, long frozenRow) {
        try {
            return Tensor.wrap(torch.embedding(weight.handle(), ids.handle(), frozenRow, false, false));
        } catch (RuntimeException e) {
            throw TensorException.of("embedding", e, weight, ids);
        }
    }

    /**
     * Normalisation to zero mean and unit variance over the last dimension, then scale and shift where they are given (Ba et
     * al. 2016).
     *
     * @param x [..., hidden]
     * @param weight [hidden] or null
     * @param bias [hidden] or null
     * @param epsilon added to the variance
     * @return x's shape
     */
    public static Tensor layerNorm(Tensor x, @Nullable Tensor weight, @Nullable Tensor bias, double epsilon) {
        try (TensorOptional scale = weight == null ? new TensorOptional() : new TensorOptional(weight.handle());
                TensorOptional shift = bias == null ? new TensorOptional() : new TensorOptional(bias.handle())) {
            return Tensor.wrap(torch.layer_norm(x.handle(), new long[] {x.size(-1)}, scale, shift, epsilon, false));
        } catch (RuntimeException e) {
            throw TensorException.of("layerNorm", e, x, weight, bias);
        }
    }

    /**
     * {@code weight * x / sqrt(mean(x^2) + epsilon)} over the last dimension (Zhang and Sennrich 2019).
     *
     * @param x [..., hidden]
     * @param weight [hidden]
     * @param epsilon added to the mean of squares
     * @return x's shape
     */
    public static Tensor rmsNorm(Tensor x, Tensor weight, double epsilon) {
        try (TensorOptional scale = new TensorOptional(weight.handle());
                DoubleOptional optionalEpsilon = new DoubleOptional(epsilon)) {
            return Tensor.wrap(torch.rms_norm(x.handle(), new long[] {x.size(-1)}, scale, optionalEpsilon));
        } catch (RuntimeException e) {
            throw TensorException.of("rmsNorm", e, x, weight);
        }
    }

    /**
     * The logarithm of {@link Tensor#softmax}, in one pass.
     *
     * @param x of any shape
     * @param dimension along which probabilities add up to 1
     * @return x's shape
     */
    public static Tensor logSoftmax(Tensor x, int dimension) {
        return Tensor.wrap(torch.log_softmax(x.handle(), dimension));
    }

    /**
     * The sigmoid-weighted linear unit, {@code x * sigmoid(x)} (Elfwing et al. 2017).
     *
     * @param x of any shape
     * @return x's shape
     */
    public static Tensor silu(Tensor x) {
        return Tensor.wrap(torch.silu(x.handle()));
    }

    /**
     * Gaussian error linear unit, exact or by the tanh approximation (Hendrycks and Gimpel 2016).
     *
     * @param x of any shape
     * @param tanhApproximation whether to approximate
     * @return x's shape
     */
    public static Tensor gelu(Tensor x, boolean tanhApproximation) {
        return Tensor.wrap(torch.gelu(x.handle(), tanhApproximation ? "tanh" : "none"));
    }

    /**
     * {@code max(x, 0)}.
     *
     * @param x of any shape
     * @return x's shape
     */
    public static Tensor relu(Tensor x) {
        return Tensor.wrap(torch.relu(x.handle()));
    }

    /**
     * {@code log(1 + exp(x))}.
     *
     * @param x of any shape
     * @return x's shape
     */
    public static Tensor softplus(Tensor x) {
        return Tensor.wrap(torch.softplus(x.handle()));
    }

    /**
     * The largest elements along the last dimension, largest first.
     *
     * @param values [..., k], differentiable
     * @param indices [..., k] int64
     */
    public record TopK(Tensor values, Tensor indices) {}

    /**
     * The {@code k} largest elements along the last dimension and where they are.
     *
     * @param x [..., n]
     * @param k how many, at most n
     * @return values and places
     */
    public static TopK topK(Tensor x, long k) {
        try (T_TensorTensor_T both = torch.topk(x.handle(), k, -1, true, true)) {
            return new TopK(owned(both.get0()), owned(both.get1()));
        } catch (RuntimeException e) {
            throw TensorException.of("topK " + k, e, x);
        }
    }

    /** A handle of its own: what a tuple gives is gone with the tuple. */
    private static Tensor owned(org.bytedeco.pytorch.Tensor element) {
        return Tensor.wrap(new org.bytedeco.pytorch.Tensor(element));
    }

    /**
     * Zeroes elements with the given probability and scales the others up, by the {@link RandomGenerator} in use. libtorch's
     * own takes no generator.
     *
     * @param x of any shape
     * @param probability of an element to be dropped
     * @return what is left
     */
    public static Tensor dropout(Tensor x, double probability) {
        if (probability >= 1) {
            return x.mul(0);
        }
        Tensor kept = Tensors.zeros(x.dtype(), x.device(), x.shape()).bernoulliInPlace(1 - probability);
        return x.mul(kept.div(1 - probability));
    }

    /**
     * One layer of a long short-term memory over sequences, from a zero state (Hochreiter and Schmidhuber 1997), in both
     * directions.
     *
     * @param x [batch, seq, in]
     * @param weights for each direction (forwards first): [4 hidden, in], [4 hidden, hidden], [4 hidden], [4 hidden]
     * @param hidden size of the state of one direction
     * @return [batch, seq, 2 hidden]
     */
    public static Tensor bidirectionalLstm(Tensor x, List<Tensor> weights, long hidden) {
        requireLstmWeights(x, weights, hidden);
        Tensor zeros = Tensors.zeros(x.dtype(), x.device(), 2, x.size(0), hidden);
        org.bytedeco.pytorch.Tensor[] natives =
                weights.stream().map(Tensor::handle).toArray(org.bytedeco.pytorch.Tensor[]::new);
        try (TensorVector state = new TensorVector(zeros.handle(), zeros.handle());
                TensorVector parameters = new TensorVector(natives);
                T_TensorTensorTensor_T result =
                        torch.lstm(x.handle(), state, parameters, true, 1, 0, false, true, true)) {
            return owned(result.get0());
        } catch (RuntimeException e) {
            throw TensorException.of("bidirectionalLstm", e, x);
        }
    }

    /** The kernel is told sizes by the state alone. */
    private static void requireLstmWeights(Tensor x, List<Tensor> weights, long hidden) {
        long gates = 4 * hidden;
        long[][] shapes = {{gates, x.size(-1)}, {gates, hidden}, {gates}, {gates}};
        boolean fit = x.dim() == 3 && weights.size() == 2 * shapes.length;
        for (int i = 0; fit && i < weights.size(); i++) {
            fit = Arrays.equals(weights.get(i).shape(), shapes[i % shapes.length]);
        }
        if (!fit) {
            throw new TensorException("bidirectionalLstm: the weights "
                    + weights.stream().map(Tensor::describe).toList() + " do not fit " + x.describe()
                    + " and a state of "
                    + hidden);
        }
    }

    /**
     * Rows of zeros after those that there are.
     *
     * @param x [rows, columns]
     * @param rows how many there will be
     * @return [{@code rows}, columns]
     */
    public static Tensor fillRows(Tensor x, long rows) {
        try {
            return Tensor.wrap(torch.constant_pad_nd(x.handle(), 0, 0, 0, rows - x.size(0)));
        } catch (RuntimeException e) {
            throw TensorException.of("fillRows", e, x);
        }
    }

    /**
     * {@code softmax(scale q k^T + mask) v} by libtorch's fused kernel (Dao et al. 2022), without dropout, for which it takes
     * no generator.
     *
     * @param query [batch, heads, queryLength, headDim]
     * @param key [batch, heads, keyLength, headDim]
     * @param value [batch, heads, keyLength, headDim]
     * @param mask boolean (true: may attend) or additive, broadcastable to [batch, heads, queryLength, keyLength], or null
     * @param causal query i sees keys 0..i; not together with a mask
     * @param scale usually {@code 1 / sqrt(headDim)}
     * @return [batch, heads, queryLength, headDim]
     */
    public static Tensor scaledDotProductAttention(
            Tensor query, Tensor key, Tensor value, @Nullable Tensor mask, boolean causal, double scale) {
        if (key.dim() < 2 || value.dim() < 2 || key.size(-2) != value.size(-2)) {
            throw new TensorException("attention: " + key.describe() + " keys for " + value.describe() + " values");
        }
        try (TensorOptional optionalMask = mask == null ? new TensorOptional() : new TensorOptional(mask.handle());
                DoubleOptional optionalScale = new DoubleOptional(scale)) {
            return Tensor.wrap(torch.scaled_dot_product_attention(
                    query.handle(), key.handle(), value.handle(), optionalMask, 0, causal, optionalScale, false));
        } catch (RuntimeException e) {
            throw TensorException.of("scaledDotProductAttention", e, query, key, value, mask);
        }
    }
}
