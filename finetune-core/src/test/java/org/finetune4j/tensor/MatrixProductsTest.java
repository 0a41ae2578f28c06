package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.Float32MatmulPrecision;
import org.finetune4j.tensor.MatrixProducts.Choice;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class MatrixProductsTest {

    /** Some tests ask the binding itself, which must not be loaded before. */
    @BeforeAll
    static void load() {
        Torch.ensureLoaded();
    }

    @ParameterizedTest
    @EnumSource
    void productsAreThoseOfFloat32WhoeverCalculatesThem(Choice choice) {
        try (MatrixProducts.Mode mode = MatrixProducts.by(choice);
                TensorScope scope = TensorScope.open()) {
            Torch.seed(7);
            Tensor x = Tensors.zeros(DType.FLOAT64, Device.CPU, 192, 320).uniformInPlace(-1, 1);
            Tensor w = Tensors.zeros(DType.FLOAT64, Device.CPU, 320, 256).uniformInPlace(-1, 1);
            Tensor exact = x.to(DType.FLOAT32)
                    .to(DType.FLOAT64)
                    .matmul(w.to(DType.FLOAT32).to(DType.FLOAT64));
            Tensor product = x.to(DType.FLOAT32).matmul(w.to(DType.FLOAT32)); // [192, 256]
            double error = product.to(DType.FLOAT64).sub(exact).abs().max().item();
            assertTrue(error < 1e-5 * exact.abs().max().item(), "error " + error);
        }
    }

    /** oneDNN takes what follows in memory for a row or column whose numbers lie apart, whatever asks it for a product. */
    @ParameterizedTest
    @EnumSource
    void aRowOrColumnOfAWiderMatrixIsAFactorAsItIs(Choice choice) {
        try (MatrixProducts.Mode mode = MatrixProducts.by(choice);
                Autograd.Mode off = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Torch.seed(7);
            Tensor matrix = uniform(96, 300);
            Tensor row = uniform(96, 3).narrow(1, 1, 1).transpose(0, 1); // [1, 96]
            Tensor column = uniform(300, 3).narrow(1, 1, 1); // [300, 1]
            assertEquals(0, error(row.matmul(matrix), row, matrix), 1e-5);
            assertEquals(0, error(row.mm(matrix), row, matrix), 1e-5);
            assertEquals(0, error(matrix.matmul(column), matrix, column), 1e-5);
            Tensor weight = matrix.transpose(0, 1); // [300, 96]
            assertEquals(0, error(Functional.linear(row, weight, null), row, matrix), 1e-5);
            Tensor bias = Tensors.zeros(DType.FLOAT32, Device.CPU, 300);
            assertEquals(0, error(Functional.linear(row, weight, bias), row, matrix), 1e-5);
            assertEquals(0, error(Functional.addmm(bias, row, matrix), row, matrix), 1e-5);
            Tensor into = uniform(300, 3).narrow(1, 1, 1).transpose(0, 1); // [1, 300]
            OutVariants.biasedProduct(into, bias, row, matrix);
            assertEquals(0, error(into, row, matrix), 1e-5);
        }
    }

    private static double error(Tensor product, Tensor left, Tensor right) {
        Tensor exact = left.to(DType.FLOAT64).matmul(right.to(DType.FLOAT64));
        return product.to(DType.FLOAT64).sub(exact).abs().max().item()
                / exact.abs().max().item();
    }

    /** LoRA of rank 1 multiplies by one column of what all its layers share, and writes to one. */
    @ParameterizedTest
    @EnumSource
    void aColumnOfAWiderMatrixIsMultipliedAsTheColumnItIs(Choice choice) {
        try (MatrixProducts.Mode mode = MatrixProducts.by(choice);
                Autograd.Mode off = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Torch.seed(7);
            Tensor left = uniform(512, 96);
            Tensor column = uniform(96, 3).narrow(1, 1, 1);
            Tensor destination = uniform(512, 3).narrow(1, 2, 1);
            Tensor expected =
                    destination.to(DType.FLOAT64).add(left.to(DType.FLOAT64).matmul(column.to(DType.FLOAT64)));
            OutVariants.addProduct(destination, 1, left, column, 1);
            double error =
                    destination.to(DType.FLOAT64).sub(expected).abs().max().item();
            assertTrue(error < 1e-5 * expected.abs().max().item(), "error " + error);
            Tensor row = uniform(1, 96);
            Tensor product = row.to(DType.FLOAT64)
                    .add(destination.transpose(0, 1).to(DType.FLOAT64).matmul(left.to(DType.FLOAT64)));
            OutVariants.addProduct(row, 1, destination.transpose(0, 1), left, 1);
            double errorOfRow = row.to(DType.FLOAT64).sub(product).abs().max().item();
            assertTrue(errorOfRow < 1e-5 * product.abs().max().item(), "error " + errorOfRow);
        }
    }

    private static Tensor uniform(long rows, long columns) {
        return Tensors.zeros(DType.FLOAT32, Device.CPU, rows, columns).uniformInPlace(-1, 1);
    }

    /** Recursion and other threads must not leave a process with another precision than it had. */
    @Test
    void theLastGuardLeavesThePrecisionThatTheFirstOneFound() {
        Float32MatmulPrecision found = precision();
        MatrixProducts.Mode first = MatrixProducts.held(Choice.ONE_DNN);
        Float32MatmulPrecision asked = precision();
        MatrixProducts.Mode second = MatrixProducts.held(Choice.ONE_DNN);
        first.close();
        first.close();
        assertEquals(asked, precision(), "the second still asks");
        second.close();
        assertEquals(found, precision());
    }

    @Test
    void aGuardWithinAnotherChangesNothing() {
        Float32MatmulPrecision found = precision();
        try (MatrixProducts.Mode outer = MatrixProducts.held(Choice.MKL);
                MatrixProducts.Mode inner = MatrixProducts.held(Choice.ONE_DNN)) {
            assertEquals(found, precision());
        }
        assertEquals(found, precision());
    }

    /** Threads whose guards want different things see what they have asked for, and all of them come to an end. */
    @Test
    void everyThreadSeesItsOwnChoice() {
        Float32MatmulPrecision found = precision();
        List<CompletableFuture<Void>> threads = IntStream.range(0, 6)
                .mapToObj(number -> CompletableFuture.runAsync(() -> {
                    Choice choice = Choice.values()[number % 3];
                    for (int i = 0; i < 200; i++) {
                        assertEquals(
                                choice == Choice.MKL ? found : Float32MatmulPrecision.MEDIUM,
                                seenIn(choice),
                                choice.name());
                    }
                }))
                .toList();
        threads.forEach(thread -> thread.orTimeout(60, TimeUnit.SECONDS).join());
        assertEquals(found, precision());
    }

    /** Whoever multiplies, sizes that kernels are not made for come out right: a oneDNN has lost the last outputs of some on a processor. */
    @ParameterizedTest
    @EnumSource(Choice.class)
    void productsOfAllSizesAreThoseOfDoublePrecision(Choice choice) {
        SplittableRandom random = new SplittableRandom(7);
        try (Autograd.Mode mode = Autograd.disabled();
                MatrixProducts.Mode products = MatrixProducts.by(choice)) {
            for (int i = 0; i < 120; i++) {
                long[] sizes = random.longs(3, 1, 130).toArray();
                if (i % 3 == 0) {
                    sizes[i / 3 % 3] = 400 + random.nextInt(200);
                }
                try (TensorScope scope = TensorScope.open()) {
                    requireExact(sizes, i % 4, (i & 4) == 0 ? 1 : 3);
                }
            }
        }
    }

    /** @param turned which of the factors lie the other way round: 1 and 2 add up */
    private static void requireExact(long[] sizes, int turned, long count) {
        Tensor left = factor(count, sizes[0], sizes[1], (turned & 1) != 0);
        Tensor right = factor(count, sizes[1], sizes[2], (turned & 2) != 0);
        Tensor sum = Tensors.randn(DType.FLOAT32, Device.CPU, count, sizes[0], sizes[2]);
        Tensor expected =
                left.to(DType.FLOAT64).matmul(right.to(DType.FLOAT64)).mul(0.5).add(sum.to(DType.FLOAT64));
        if (count == 1) {
            OutVariants.addProduct(sum.select(0, 0), 1, left.select(0, 0), right.select(0, 0), 0.5);
        } else {
            OutVariants.addProducts(sum, 1, left, right, 0.5);
        }
        double error = sum.to(DType.FLOAT64).sub(expected).abs().max().item();
        double largest = expected.abs().max().item();
        assertTrue(error <= 1e-5 * largest, count + " of " + Arrays.toString(sizes) + ", " + turned + ": " + error);
    }

    private static Tensor factor(long count, long rows, long columns, boolean turned) {
        return turned
                ? Tensors.randn(DType.FLOAT32, Device.CPU, count, columns, rows).transpose(1, 2)
                : Tensors.randn(DType.FLOAT32, Device.CPU, count, rows, columns);
    }

    /** Batches of small matrices have the most shapes and gain nothing; what comes after them goes where it went before. */
    @Test
    void batchesOfSmallMatricesGoToMklAmongLargeOnes() {
        List<Float32MatmulPrecision> seen = new ArrayList<>();
        for (Choice choice : Choice.values()) {
            try (MatrixProducts.Mode mode = MatrixProducts.held(choice)) {
                MatrixProducts.ofSmallOnes(false, () -> seen.add(precision()));
                assertThrows(
                        IllegalStateException.class,
                        () -> MatrixProducts.ofSmallOnes(false, () -> {
                            throw new IllegalStateException("a product that fails");
                        }));
                seen.add(precision());
            }
        }
        Float32MatmulPrecision found = precision();
        assertEquals(
                List.of(
                        found,
                        found,
                        Float32MatmulPrecision.MEDIUM,
                        Float32MatmulPrecision.MEDIUM,
                        Float32MatmulPrecision.HIGHEST,
                        Float32MatmulPrecision.MEDIUM),
                seen);
    }

    /** What one thread divides is divided for it alone: the other one waits, or its matrices would go anywhere. */
    @Test
    void onlyOneThreadAtATimeDividesItsProducts() throws Exception {
        CompletableFuture<Float32MatmulPrecision> other;
        try (MatrixProducts.Mode mode = MatrixProducts.held(Choice.ONE_DNN_FOR_MATRICES)) {
            other = CompletableFuture.supplyAsync(() -> seenIn(Choice.ONE_DNN_FOR_MATRICES));
            assertThrows(TimeoutException.class, () -> other.get(50, TimeUnit.MILLISECONDS));
        }
        assertEquals(Float32MatmulPrecision.MEDIUM, other.get(60, TimeUnit.SECONDS));
    }

    private static Float32MatmulPrecision seenIn(Choice choice) {
        try (MatrixProducts.Mode mode = MatrixProducts.held(choice)) {
            return precision();
        }
    }

    private static Float32MatmulPrecision precision() {
        return torch.globalContext().float32MatmulPrecision().intern();
    }
}
