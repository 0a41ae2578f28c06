package org.finetune4j.nn;

import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * {@code y = x W^T + b}. A parameter-efficient method does not replace this layer, it {@link #extend extends} it: the
 * tree of modules and the names of the parameters stay as they are.
 */
public final class Linear extends Module {

    /** How the weight lies in the checkpoint. */
    public enum Layout {
        /** [out, in], the usual one. */
        OUT_IN,
        /** [in, out], GPT-2's {@code Conv1D}. */
        IN_OUT
    }

    private final Layout layout;
    private final boolean biased;
    private @Nullable LinearExtension extension;
    private @Nullable ParallelRegion entered;
    private @Nullable ParallelRegion left;
    private double shareOfBias = 1;
    private @Nullable DType productDType;

    private Linear(Layout layout, Parameter weight, @Nullable Parameter bias) {
        this.layout = layout;
        this.biased = bias != null;
        parameter("weight", weight);
        if (bias != null) {
            parameter("bias", bias);
        }
    }

    /**
     * Reads {@code weight} [out, in] and, where wanted, {@code bias} [out].
     *
     * @param weights where the parameters come from, below this module's name
     * @param in input features
     * @param out output features
     * @param bias whether there are biases
     * @param initialization what a new model starts with
     * @return the layer
     */
    public static Linear of(Weights weights, long in, long out, boolean bias, Initialization initialization) {
        return new Linear(
                Layout.OUT_IN,
                weights.linearWeight("weight", initialization, out, in),
                bias ? weights.parameter("bias", Initialization.ZEROS, out) : null);
    }

    /**
     * Reads GPT-2's {@code weight} [in, out] and {@code bias} [out].
     *
     * @param weights where the parameters come from, below this module's name
     * @param in input features
     * @param out output features
     * @param initialization what a new model starts with
     * @return the layer
     */
    public static Linear conv1d(Weights weights, long in, long out, Initialization initialization) {
        return new Linear(
                Layout.IN_OUT,
                weights.linearWeight("weight", initialization, in, out),
                weights.parameter("bias", Initialization.ZEROS, out));
    }

    /**
     * A layer whose weight [out, in] is another layer's, as in models that tie their output to their embedding.
     *
     * @param weight [out, in]
     * @return the layer
     */
    public static Linear tied(Parameter weight) {
        return new Linear(Layout.OUT_IN, weight, null);
    }

    /**
     * Applies the layer with its extension.
     *
     * @param x [..., in]
     * @param context what is known about the batch whose rows {@code x} has; null where nothing is
     * @return [..., out]
     */
    public Tensor forward(Tensor x, @Nullable SequenceContext context) {
        LinearExtension active = extension;
        Tensor input = entered == null ? x : entered.enter(x);
        Tensor output = active == null ? project(input, context) : active.forward(this, input, context);
        if (left == null) {
            return output;
        }
        Tensor sum = left.leave(output);
        Parameter b = bias();
        return b == null ? sum : sum.addInPlace(b.as(sum.dtype()));
    }

    /**
     * Applies the layer alone, as if it had no extension: [..., in] to [..., out]. The bias of a layer whose outputs are summands
     * of several processes is not in it.
     *
     * @param x [..., in]
     * @param context what is known about the batch whose rows {@code x} has; null where nothing is
     * @return [..., out]
     */
    public Tensor project(Tensor x, @Nullable SequenceContext context) {
        DType dtype = x.dtype();
        CompressedWeight compressed = weight().compressed();
        if (compressed != null && layout == Layout.OUT_IN && isFew(x)) {
            return multiply(compressed, x);
        }
        Tensor b = summand(dtype);
        DType rounded = productDType();
        if (rounded != null && dtype == DType.FLOAT32) {
            Tensor product =
                    multiply(x.to(rounded), weight().as(rounded, context)).to(dtype); // [..., out]
            return b == null ? product : product.addInPlace(b);
        }
        PackedWeights packed = packedWeights(context);
        Tensor quick = packed == null || dtype != DType.FLOAT32 || !isPackable() ? null : packed.multiply(this, x);
        if (quick != null) {
            return b == null ? quick : quick.addInPlace(b);
        }
        Tensor tiled = productInTiles(x);
        if (tiled != null) {
            return b == null ? tiled : tiled.addInPlace(b);
        }
        Tensor w = weight().as(dtype, context);
        if (layout == Layout.OUT_IN && FewRows.isFaster(x, w)) {
            Tensor product = FewRows.multiply(x, w); // [..., out]
            return b == null ? product : product.addInPlace(b);
        }
        if (b == null) {
            return multiply(x, w);
        }
        if (layout == Layout.OUT_IN) {
            return Functional.linear(x, w, b);
        }
        long[] shape = x.shape();
        long count = Arrays.stream(shape, 0, shape.length - 1).reduce(1, (one, other) -> one * other);
        Tensor rows = x.reshape(count, inFeatures()); // [rows, in], of which a share may have none
        shape[shape.length - 1] = outFeatures();
        return Functional.addmm(b, rows, w).view(shape); // [..., out]
    }

    /** This process's summand of the bias, or null. */
    private @Nullable Tensor summand(DType dtype) {
        Parameter b = projectedBias();
        if (b == null) {
            return null;
        }
        return shareOfBias == 1 ? b.as(dtype) : b.as(dtype).mul(shareOfBias);
    }

    private @Nullable Tensor productInTiles(Tensor x) {
        return layout == Layout.OUT_IN
                        && weight().form() instanceof DenseValue dense
                        && FewRows.isFasterInTiles(x, dense.tensor())
                ? FewRows.multiplyInTiles(x, dense.tensor())
                : null;
    }

    private Tensor multiply(Tensor x, Tensor w) {
        return layout == Layout.OUT_IN ? Functional.linear(x, w, null) : x.matmul(w);
    }

    /**
     * Lets layers that are about to be applied to the same input share a product, where there are packed weights.
     *
     * @param layers without one another's outputs
     * @param x [..., in], the input
     * @param context what is known about the batch whose rows {@code x} has; null where nothing is
     */
    static void together(List<Linear> layers, Tensor x, @Nullable SequenceContext context) {
        PackedWeights packed = packedWeights(context);
        if (packed != null) {
            packed.together(layers, x);
        }
    }

    private static @Nullable PackedWeights packedWeights(@Nullable SequenceContext context) {
        return context == null || Autograd.isEnabled() ? null : context.packedWeights();
    }

    /** Whether this layer's product is that of its input, all of it, with a weight that can be packed. */
    boolean isPackable() {
        return productDType == null && entered == null && PackedWeights.isPackable(weight());
    }

    /** Whether a backward pass or many rows would be better served with the decompressed weight. */
    private boolean isFew(Tensor x) {
        return !Autograd.isEnabled()
                && x.dtype() == DType.FLOAT32
                && x.device().equals(Device.CPU)
                && x.numel() <= CompressedWeight.FEW_ROWS * inFeatures();
    }

    private Tensor multiply(CompressedWeight compressed, Tensor x) {
        long[] shape = x.shape();
        Tensor product = compressed.multiply(x.reshape(-1, inFeatures()).contiguous()); // [rows, out]
        shape[shape.length - 1] = outFeatures();
        Tensor b = summand(DType.FLOAT32);
        return (b == null ? product : product.addInPlace(b)).view(shape); // [..., out]
    }

    /**
     * Lets products round both factors to a type that the processor multiplies faster, whose sums come back in the type of the
     * input. It holds for inputs in float32, in both passes.
     *
     * @param dtype bfloat16 for instance; null to round nothing
     */
    public void multiplyIn(@Nullable DType dtype) {
        productDType = dtype;
    }

    /** {@return what both factors of a product in float32 are rounded to; null for nothing, as for a compressed weight} */
    public @Nullable DType productDType() {
        return weight().compressed() == null ? productDType : null;
    }

    /** {@return the bias that {@link #project} adds: none where its outputs are summands of several processes} */
    public @Nullable Parameter projectedBias() {
        return left == null ? bias() : null;
    }

    /**
     * Lets this layer be one process's share of the checkpoint's.
     *
     * @param enters the region that the input is taken into; null where somebody else does it, or the input is not whole
     * @param leaves the region in which the outputs are summands, which the bias is added to; null where they are not, or
     *     somebody else adds them up
     */
    public void divide(@Nullable ParallelRegion enters, @Nullable ParallelRegion leaves) {
        entered = enters;
        left = leaves;
    }

    /**
     * Lets the outputs be summands that somebody else adds up: each process adds its share of the bias.
     *
     * @param share of the bias
     */
    public void divideBias(double share) {
        shareOfBias = share;
    }

    /** {@return whether this layer is one process's share of the checkpoint's} */
    public boolean isDivided() {
        return entered != null || left != null || weight().slice() != null;
    }

    /** {@return the number of the checkpoint's input features} */
    public long wholeInFeatures() {
        AxisSlice slice = inputSlice();
        return slice == null ? inFeatures() : slice.whole();
    }

    /** {@return the number of the checkpoint's output features} */
    public long wholeOutFeatures() {
        AxisSlice slice = outputSlice();
        return slice == null ? outFeatures() : slice.whole();
    }

    /** {@return which of the checkpoint's input features this layer has, or null for all} */
    public @Nullable AxisSlice inputSlice() {
        return slice(layout == Layout.OUT_IN ? 1 : 0);
    }

    /** {@return which of the checkpoint's output features this layer has, or null for all} */
    public @Nullable AxisSlice outputSlice() {
        return slice(layout == Layout.OUT_IN ? 0 : 1);
    }

    private @Nullable AxisSlice slice(int dimension) {
        ParameterSlice slice = weight().slice();
        return slice == null || slice.dimension() != dimension ? null : slice.axis();
    }

    /** {@return the number of input features} */
    public long inFeatures() {
        return weight().size(layout == Layout.OUT_IN ? 1 : 0);
    }

    /** {@return the number of output features} */
    public long outFeatures() {
        return weight().size(layout == Layout.OUT_IN ? 0 : 1);
    }

    /** {@return which way the weight lies} */
    public Layout layout() {
        return layout;
    }

    /** {@return the weight} */
    public Parameter weight() {
        return own("weight");
    }

    /** {@return the bias [out], or null} */
    public @Nullable Parameter bias() {
        return biased ? own("bias") : null;
    }

    /** {@return what a method added to this layer, or null} */
    public @Nullable LinearExtension extension() {
        return extension;
    }

    /**
     * Adds a method to this layer. There is place for one.
     *
     * @param newExtension the method
     * @throws UserErrorException when another one is there
     */
    public void extend(LinearExtension newExtension) {
        if (extension != null) {
            throw new UserErrorException(
                    "this layer already carries " + extension + ": disable that adapter before another");
        }
        extension = newExtension;
    }

    @Override
    protected Collection<Parameter> addedParameters() {
        return extension == null ? List.of() : extension.parameters();
    }

    /** Takes the method off again. */
    public void removeExtension() {
        extension = null;
    }
}
