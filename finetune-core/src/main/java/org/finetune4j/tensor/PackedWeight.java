package org.finetune4j.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.OperatorHandle;
import org.jspecify.annotations.Nullable;

/**
 * A copy of a weight in the order in which oneDNN's kernels read it. Decoding multiplies every weight with few rows, so that
 * reading the weight is all the time it takes: in its own order by MKL that is a third as fast as memory allows, in this one nearly
 * as fast. Used where {@link Processor} knows it to be faster.
 *
 * <p>A row's product does not depend on how many rows there are: what a text gets among others is what it gets alone, to the last
 * digit. oneDNN keeps that promise from two rows on; where it sums one row in another order, a second one goes with it. Its kernels for
 * AVX2 keep it up to 64 rows, and fewer where many threads share a small weight, as those for AVX-512 do: more rows are multiplied by so many
 * at a time.
 *
 * <p>oneDNN compiles a kernel for every number of rows, which takes a millisecond, and keeps it. So that there are few, rows are filled
 * up with zeros: from 9 on to a multiple of 8, from 65 on to the next power of two or the middle before it.
 *
 * <p>The oneDNN of this libtorch loses the last outputs of a weight on AMD's Zen 5 if their number is no multiple of 64. So the first weight
 * of every shape is compared with its copy, and where they differ outputs are filled up with zeros.
 */
public final class PackedWeight implements AutoCloseable {

    /** Numbers of rows that may be the most which are all summed in one order. */
    private static final int[] MOST_ROWS = {64, 16, 8, 2};

    /** Products of two numbers. */
    private static final long LOOKED_AT = 1L << 28;

    /** Outputs of a block of oneDNN's largest kernels. */
    private static final long BLOCK = 64;

    private static final Map<Shape, Order> ORDERS = new ConcurrentHashMap<>();

    private final Tensor packed; // [order.outputs, in]
    private final Shape shape;
    private final Order order;

    private PackedWeight(Tensor packed, Shape shape, Order order) {
        this.packed = packed;
        this.shape = shape;
        this.order = order;
    }

    private record Shape(long out, long in) {}

    /**
     * How weights of a shape lie, and how their products are summed.
     *
     * @param outputs with those that fill up
     * @param oneRowDiffers whether one row is summed in another order than several
     * @param mostRows up to which all are summed in one
     */
    private record Order(long outputs, boolean oneRowDiffers, int mostRows) {}

    /** Looked up when libtorch is there. */
    private static final class Operator {
        private static final OperatorHandle PACK =
                Dispatcher.singleton().findSchemaOrThrow("mkldnn::_reorder_linear_weight", "");
        private static final IValue NONE = new IValue();
    }

    /** {@return whether products with packed weights are the faster ones on this machine} */
    public static boolean isFaster() {
        return MatrixProducts.isPackedBetter();
    }

    /**
     * Packs a weight.
     *
     * @param weight [out, in] float32 on the CPU, in any strides; copied
     * @return the copy, to be closed
     */
    public static PackedWeight of(Tensor weight) {
        Shape shape = new Shape(weight.size(0), weight.size(1));
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            // Found by multiplying, not within computeIfAbsent: two threads may find the same.
            Order known = ORDERS.get(shape);
            if (known != null) {
                return new PackedWeight(pack(weight, known.outputs).unscoped(), shape, known);
            }
            for (long outputs : new long[] {shape.out, (shape.out + BLOCK - 1) / BLOCK * BLOCK}) {
                Tensor packed = pack(weight, outputs);
                if (isSame(weight, packed.handle())) {
                    Order found = order(packed, outputs, shape.in);
                    ORDERS.put(shape, found);
                    return new PackedWeight(packed.unscoped(), shape, found);
                }
            }
            // One with NaN, which is like nothing, says nothing about its shape; it is multiplied as it lies.
            Tensor own = weight.contiguous().copy();
            return new PackedWeight(own.unscoped(), shape, order(own, shape.out, shape.in));
        } catch (RuntimeException e) {
            throw TensorException.of("packing of a weight", e, weight);
        }
    }

    /** A copy in oneDNN's order, with outputs of zeros to fill up, in the scope. */
    private static Tensor pack(Tensor weight, long outputs) {
        Tensor whole = outputs == weight.size(0) ? weight.contiguous() : Functional.fillRows(weight, outputs);
        try (IValueVector stack = new IValueVector();
                IValue source = new IValue(whole.handle())) {
            stack.push_back(source);
            stack.push_back(Operator.NONE);
            Operator.PACK.callBoxed(stack);
            return InnerProduct.result(stack);
        }
    }

    private static boolean isSame(Tensor weight, org.bytedeco.pytorch.Tensor packed) {
        Tensor unpacked = Tensor.wrap(packed.to_dense()).narrow(0, 0, weight.size(0));
        return unpacked.handle().equal(weight.handle());
    }

    /**
     * {@code x W^T + b}, outside of any backward pass.
     *
     * @param x [rows, in] float32
     * @param bias [out] float32, or null
     * @return [rows, out]
     */
    public Tensor multiply(Tensor x, @Nullable Tensor bias) {
        long rows = x.size(0);
        if (rows > order.mostRows) {
            return multiplyInTiles(x, bias);
        }
        long filled = rows == 1 && order.oneRowDiffers ? 2 : filled(rows);
        boolean isFilled = order.outputs > shape.out;
        Tensor product =
                InnerProduct.call(filled == rows ? x : Functional.fillRows(x, filled), packed, isFilled ? null : bias);
        Tensor ofRows = filled == rows ? product : product.narrow(0, 0, rows); // [rows, outputs]
        if (!isFilled) {
            return ofRows;
        }
        Tensor own = ofRows.narrow(1, 0, shape.out).contiguous(); // [rows, out]
        return bias == null ? own : own.addInPlace(bias);
    }

    private Tensor multiplyInTiles(Tensor x, @Nullable Tensor bias) {
        long rows = x.size(0);
        try (TensorScope scope = TensorScope.open()) {
            List<Tensor> products = new ArrayList<>();
            for (long start = 0; start < rows; start += order.mostRows) {
                products.add(multiply(x.narrow(0, start, Math.min(order.mostRows, rows - start)), bias)); // [tile, out]
            }
            return scope.keep(Tensors.cat(products, 0)); // [rows, out]
        }
    }

    /** How many rows are multiplied for {@code rows}. */
    static long filled(long rows) {
        if (rows <= 8) {
            return rows;
        }
        if (rows <= 64) {
            return (rows + 7) / 8 * 8;
        }
        long power = Long.highestOneBit(rows - 1) << 1;
        long middle = power / 4 * 3;
        return rows <= middle ? middle : power;
    }

    /**
     * The weight in its own order again.
     *
     * @return [out, in] float32, the very numbers that were packed; it belongs to the scope
     */
    public Tensor unpack() {
        try {
            if (!packed.handle().is_mkldnn()) {
                return packed.copy();
            }
            Tensor all = Tensor.wrap(packed.handle().to_dense());
            return order.outputs == shape.out ? all : all.narrow(0, 0, shape.out);
        } catch (RuntimeException e) {
            throw TensorException.of("unpacking of a weight", e);
        }
    }

    private static Order order(Tensor packed, long outputs, long in) {
        Tensor row =
                Tensors.arange(in, Device.CPU).to(DType.FLOAT32).mul(0.7).sin().view(1, in); // [1, in]
        Tensor ofTwo = product(packed, row, 2);
        return new Order(outputs, differ(product(packed, row, 1), ofTwo), mostRows(packed, row, ofTwo));
    }

    private static int mostRows(Tensor packed, Tensor row, Tensor ofTwo) {
        if (Processor.current().hasAvx512() && !differ(product(packed, row, manyRows(packed)), ofTwo)) {
            return Integer.MAX_VALUE; // with AVX-512 all are, but where threads share the sums of a few outputs
        }
        for (int rows : MOST_ROWS) {
            if (!differ(product(packed, row, rows), ofTwo)) {
                return rows;
            }
        }
        return 2;
    }

    /** As many as are looked at for a weight, in some milliseconds. */
    private static int manyRows(Tensor packed) {
        return (int) Math.max(2, Math.min(1024, LOOKED_AT / (packed.size(0) * packed.size(1))));
    }

    /** Of the same row so many times: [rows, outputs]. */
    private static Tensor product(Tensor packed, Tensor row, int rows) {
        return InnerProduct.call(row.expand(rows, row.size(1)), packed, null);
    }

    /** Whether any row of some is not the first one of others. */
    private static boolean differ(Tensor products, Tensor others) {
        return products.sub(others.narrow(0, 0, 1)).abs().max().item() != 0;
    }

    /** {@return what the copy takes, in bytes, but for what fills it up} */
    public long bytes() {
        return shape.out * shape.in * Float.BYTES;
    }

    @Override
    public void close() {
        packed.close();
    }
}
