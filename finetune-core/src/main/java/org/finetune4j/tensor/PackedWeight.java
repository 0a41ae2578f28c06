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
 * as fast. Used on AMD's processors, where {@link MatrixProducts} says so.
 *
 * <p>A row's product does not depend on how many rows there are: what a text gets among others is what it gets alone, to the last
 * digit. oneDNN keeps that promise from two rows on; where it sums one row in another order, a second one goes with it. Its kernels for
 * AVX2 keep it up to 64 rows, and fewer where many threads share a small weight: more rows are multiplied by so many at a time.
 *
 * <p>oneDNN compiles a kernel for every number of rows, which takes a millisecond, and keeps it. So that there are few, rows are filled
 * up with zeros: from 9 on to a multiple of 8, from 65 on to the next power of two or the middle before it.
 */
public final class PackedWeight implements AutoCloseable {

    /** Numbers of rows that may be the most which are all summed in one order. */
    private static final int[] MOST_ROWS = {64, 16, 8, 2};

    private static final Map<Shape, Order> ORDERS = new ConcurrentHashMap<>();

    private final Tensor packed;
    private final Shape shape;
    private final Order order;

    private PackedWeight(Tensor packed, Shape shape) {
        this.packed = packed;
        this.shape = shape;
        // Found by multiplying, not within computeIfAbsent: two threads may find the same.
        Order known = ORDERS.get(shape);
        this.order = known == null ? find() : known;
    }

    private record Shape(long out, long in) {}

    /**
     * How products of a shape are summed.
     *
     * @param oneRowDiffers whether one row is summed in another order than several
     * @param mostRows up to which all are summed in one
     */
    private record Order(boolean oneRowDiffers, int mostRows) {}

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
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open();
                IValueVector stack = new IValueVector();
                IValue source = new IValue(weight.contiguous().handle())) {
            stack.push_back(source);
            stack.push_back(Operator.NONE);
            Operator.PACK.callBoxed(stack);
            return new PackedWeight(InnerProduct.result(stack).unscoped(), new Shape(weight.size(0), weight.size(1)));
        } catch (RuntimeException e) {
            throw TensorException.of("packing of a weight", e, weight);
        }
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
        return filled == rows
                ? InnerProduct.call(x, packed, bias)
                : InnerProduct.call(Functional.fillRows(x, filled), packed, bias)
                        .narrow(0, 0, rows);
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
            return Tensor.wrap(packed.handle().to_dense());
        } catch (RuntimeException e) {
            throw TensorException.of("unpacking of a weight", e);
        }
    }

    private Order find() {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor row = Tensors.arange(shape.in, Device.CPU)
                    .to(DType.FLOAT32)
                    .mul(0.7)
                    .sin()
                    .view(1, shape.in); // [1, in]
            Tensor ofTwo = product(row, 2);
            Order found = new Order(differ(product(row, 1), ofTwo), mostRows(row, ofTwo));
            ORDERS.put(shape, found);
            return found;
        }
    }

    private int mostRows(Tensor row, Tensor ofTwo) {
        if (MatrixProducts.isOneDnnBetter()) {
            return Integer.MAX_VALUE; // with AVX-512 all are
        }
        for (int rows : MOST_ROWS) {
            if (!differ(product(row, rows), ofTwo)) {
                return rows;
            }
        }
        return 2;
    }

    /** Of the same row so many times: [rows, out]. */
    private Tensor product(Tensor row, int rows) {
        return InnerProduct.call(row.expand(rows, shape.in), packed, null);
    }

    /** Whether any row of some is not the first one of others. */
    private static boolean differ(Tensor products, Tensor others) {
        return products.sub(others.narrow(0, 0, 1)).abs().max().item() != 0;
    }

    /** {@return what the copy takes, in bytes} */
    public long bytes() {
        return shape.out * shape.in * Float.BYTES;
    }

    @Override
    public void close() {
        packed.close();
    }
}
