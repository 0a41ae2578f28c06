package org.finetune4j.tensor;

import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.Float32MatmulPrecision;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who calculates float32 matrix products on this processor. libtorch asks Intel's MKL, which runs its narrower kernels on
 * processors of other makers. oneDNN, which is in the same libtorch, has AVX-512 kernels for every maker's; libtorch asks
 * it when float32 products are allowed to be "medium" precise. What oneDNN then leaves out depends on the processor: one
 * with AMX units rounds the factors to bfloat16, one without calculates in float32 as before. So it is asked only where it
 * is known to be faster, and only if its products are seen to be float32's.
 *
 * <p>oneDNN compiles kernels for every shape, which takes longer than a small product, and some memory ({@link KernelCache} says how
 * much at most). It is for work that comes again and again in the same shape, and for large matrices; everything else stays with MKL.
 */
public final class MatrixProducts {

    private static final Logger LOG = LoggerFactory.getLogger(MatrixProducts.class);

    /** Rounding to bfloat16 errs by 1e-3 of the largest product, summing in another order by less than 1e-6. */
    private static final double LARGEST_ERROR = 1e-5;

    private static boolean oneDnnIsBetter;
    private static boolean packedIsBetter;
    private static boolean oneDnnIsBetterForSmallOnes;

    /**
     * Who holds libtorch's choice, which is one for all threads: guards of one kind together, so that a training's last digits
     * do not depend on what runs beside it. A guard of the kind that holds it never waits: its thread may be one of several
     * that wait for each other.
     */
    private static final Object TURN = new Object();

    private static int holding;
    private static Choice held = Choice.MKL;
    private static Float32MatmulPrecision before = Float32MatmulPrecision.HIGHEST;

    /** Open guards of this thread, the first of which has decided for all. */
    private static final ThreadLocal<Integer> OPEN = ThreadLocal.withInitial(() -> 0);

    /** The thread whose batches of matrices go to MKL although matrices go to oneDNN. */
    private static volatile @Nullable Thread dividing;

    private MatrixProducts() {}

    /** Who is asked for products where oneDNN is faster. */
    public enum Choice {
        /** MKL for all: for small products, and for more shapes than are worth a kernel each. */
        MKL,
        /** oneDNN for all: for shapes that come again and again. Several threads may choose it together. */
        ONE_DNN,
        /**
         * oneDNN for matrices, MKL for {@link OutVariants#addProducts batches of small ones}, whose shapes are the most and gain nothing
         * (where they gain, oneDNN for those whose shapes come again in other sequences): for large matrices of any number of rows.
         * One thread at a time.
         */
        ONE_DNN_FOR_MATRICES
    }

    /** A choice that ends when closed. Guards may lie within each other, and overlap on several threads. */
    public static final class Mode implements AutoCloseable {

        private boolean holds;

        private Mode(boolean takesTurn, Choice choice) {
            this.holds = takesTurn;
            if (takesTurn) {
                take(choice);
                OPEN.set(OPEN.get() + 1);
            }
        }

        /** Ends the choice, on the thread that made it. */
        @Override
        public void close() {
            if (holds) {
                holds = false;
                OPEN.set(OPEN.get() - 1);
                giveBack();
            }
        }
    }

    /**
     * Has products calculated by whom the caller chooses until the guard closes, and waits for guards of other threads that have
     * chosen otherwise: all give float32's numbers, but not the same last digits. A guard within another one of this thread
     * changes nothing, nor does any where oneDNN is not faster. Products outside of any guard may go to either.
     *
     * @param choice by what is known of the shapes
     * @return ends the choice
     */
    public static Mode by(Choice choice) {
        Torch.ensureLoaded();
        return new Mode(oneDnnIsBetter, choice);
    }

    /** A choice that counts on every processor. */
    static Mode held(Choice choice) {
        return new Mode(true, choice);
    }

    /**
     * Calculates products of many small matrices, by MKL where this thread has asked for that.
     *
     * @param recurs whether their shapes come again, so that kernels are worth it where oneDNN is faster
     */
    static void ofSmallOnes(boolean recurs, Runnable products) {
        if (Thread.currentThread() != dividing || (recurs && oneDnnIsBetterForSmallOnes)) {
            products.run();
            return;
        }
        torch.globalContext().setFloat32MatmulPrecision(Float32MatmulPrecision.HIGHEST);
        try {
            products.run();
        } finally {
            torch.globalContext().setFloat32MatmulPrecision(Float32MatmulPrecision.MEDIUM);
        }
    }

    /** Whether oneDNN was found to be faster here and to give float32's products. */
    static boolean isOneDnnBetter() {
        Torch.ensureLoaded();
        return oneDnnIsBetter;
    }

    /** Whether weights that are packed for oneDNN are read faster here than MKL reads them as they are. */
    static boolean isPackedBetter() {
        Torch.ensureLoaded();
        return packedIsBetter;
    }

    /**
     * A factor that may be multiplied as it lies. Where oneDNN is given one row, or one column, whose numbers lie apart, it takes those
     * that follow each other in memory: such a factor is copied.
     *
     * @param factor of a product
     * @return the factor, or a copy of it
     */
    static Tensor multipliable(Tensor factor) {
        return isLineOfWider(factor) ? factor.contiguous() : factor;
    }

    /** Whether it is one row, or columns of one number, that do not follow each other in memory. */
    static boolean isLineOfWider(Tensor matrix) {
        if (matrix.dim() == 0) {
            return false;
        }
        long columns = matrix.size(-1);
        return (columns == 1 || columns == matrix.numel()) && !matrix.isContiguous();
    }

    /** Finds out about this processor; called while libtorch is loaded. */
    static void examine() {
        // A GPU's products would lose precision too.
        if (torch.cuda_is_available() || !Boolean.parseBoolean(System.getProperty("finetune4j.onednn", "true"))) {
            return;
        }
        Processor processor = Processor.current();
        packedIsBetter = processor.multipliesPackedFaster();
        if (processor.multipliesByOneDnnFaster()) {
            try (Mode mode = held(Choice.ONE_DNN)) {
                double error = largestError();
                oneDnnIsBetter = error <= LARGEST_ERROR;
                oneDnnIsBetterForSmallOnes = oneDnnIsBetter && processor.multipliesSmallOnesByOneDnnFaster();
                LOG.debug("products of oneDNN err by {}: {}", error, oneDnnIsBetter ? "taken" : "left to MKL");
            }
        }
    }

    /** The first guard asks for what it wants, the last one leaves what the first has found. */
    private static void take(Choice choice) {
        synchronized (TURN) {
            if (OPEN.get() == 0) {
                waitForTurn(choice);
            }
            if (holding++ == 0) {
                before = torch.globalContext().float32MatmulPrecision();
                held = choice;
                if (choice != Choice.MKL) {
                    torch.globalContext().setFloat32MatmulPrecision(Float32MatmulPrecision.MEDIUM);
                }
                dividing = choice == Choice.ONE_DNN_FOR_MATRICES ? Thread.currentThread() : null;
            }
        }
    }

    private static void waitForTurn(Choice choice) {
        boolean interrupted = false;
        while (holding > 0 && (held != choice || choice == Choice.ONE_DNN_FOR_MATRICES)) {
            try {
                TURN.wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void giveBack() {
        synchronized (TURN) {
            if (--holding == 0) {
                dividing = null;
                torch.globalContext().setFloat32MatmulPrecision(before);
                TURN.notifyAll();
            }
        }
    }

    /** {@return whether this processor multiplies bfloat16 numbers faster than float32 ones} */
    public static boolean isBfloat16Faster() {
        return Processor.current().multipliesBfloat16Faster();
    }

    /** The largest error of a product of round sizes and of one that no kernel is made for, as a part of its largest element. */
    private static double largestError() {
        return Math.max(error(64, 256, 64), error(37, 131, 77));
    }

    /** Against the same in float64. */
    private static double error(long rows, long inner, long columns) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor x = Tensors.arange(rows * inner, Device.CPU)
                    .reshape(rows, inner)
                    .to(DType.FLOAT64)
                    .mul(0.7)
                    .sin();
            Tensor w = Tensors.arange(columns * inner, Device.CPU)
                    .reshape(columns, inner)
                    .to(DType.FLOAT64)
                    .mul(0.3)
                    .cos();
            Tensor rounded = x.to(DType.FLOAT32).matmul(w.to(DType.FLOAT32).transpose(0, 1)); // [rows, columns]
            Tensor exact = x.matmul(w.transpose(0, 1)); // [rows, columns]
            return rounded.to(DType.FLOAT64).sub(exact).abs().max().item()
                    / exact.abs().max().item();
        }
    }
}
