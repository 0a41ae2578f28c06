package org.finetune4j.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.PackedWeight;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class PackedWeightsTest {

    private static final long BYTES = 24 * 16 * Float.BYTES;

    private final Autograd.Mode mode = Autograd.disabled();
    private final TensorScope scope = TensorScope.open();
    private final PackedWeights packed = new PackedWeights(BYTES);
    private final Tensor x = numbers(3, 16, 0.7); // [3, 16]

    @BeforeEach
    void onlyWhereTheyAreUsed() {
        assumeTrue(PackedWeight.isFaster(), "only where oneDNN is better than MKL");
    }

    @AfterEach
    void free() {
        packed.close();
        scope.close();
        mode.close();
    }

    private static Tensor numbers(long rows, long columns, double step) {
        return Tensors.arange(rows * columns, Device.CPU)
                .reshape(rows, columns)
                .to(DType.FLOAT32)
                .mul(step)
                .sin();
    }

    private static Parameter weight() {
        return new Parameter("weight", numbers(24, 16, 0.3));
    }

    private float[] product(Linear layer, boolean isPacked) {
        SequenceContext plain = new SequenceContext(Tensors.arange(3, Device.CPU), null, null, null);
        return layer.forward(x, plain.withPackedWeights(isPacked ? packed : null))
                .toFloatArray();
    }

    @Test
    void aWeightThatWasChangedIsPackedAnew() {
        try (Parameter weight = weight()) {
            Linear layer = Linear.tied(weight);
            assertArrayEquals(product(layer, false), product(layer, true), 1e-5f);
            assertEquals(BYTES, packed.bytes());
            weight.set(numbers(24, 16, 0.9));
            assertArrayEquals(product(layer, false), product(layer, true), 1e-5f);
            weight.replace(numbers(24, 16, 0.1));
            assertArrayEquals(product(layer, false), product(layer, true), 1e-5f);
            assertEquals(BYTES, packed.bytes());
        }
    }

    @Test
    void aWeightInAnotherTypeIsPackedInFloat32() {
        try (Parameter weight = new Parameter("weight", numbers(24, 16, 0.3).to(DType.BFLOAT16))) {
            Linear layer = Linear.tied(weight);
            assertArrayEquals(product(layer, false), product(layer, true), 1e-5f);
            assertEquals(BYTES, packed.bytes());
        }
    }

    @Test
    void whatFindsNoRoomIsMultipliedAsItIs() {
        try (Parameter first = weight();
                Parameter second = weight()) {
            product(Linear.tied(first), true);
            Linear layer = Linear.tied(second);
            assertArrayEquals(product(layer, false), product(layer, true));
            assertEquals(BYTES, packed.bytes());
        }
    }

    @Test
    void weightsInTrainingAreForgottenOnRequest() {
        try (Parameter weight = weight()) {
            weight.train(DType.FLOAT32);
            product(Linear.tied(weight), true);
            assertEquals(BYTES, packed.bytes());
            packed.forgetChanged();
            assertEquals(0, packed.bytes());
        }
    }

    @Test
    void layersOfOneInputShareAProductToTheLastDigit() {
        try (PackedWeights room = new PackedWeights(4 * BYTES);
                Parameter first = weight();
                Parameter second = new Parameter("weight", numbers(8, 16, 0.9))) {
            SequenceContext context =
                    new SequenceContext(Tensors.arange(3, Device.CPU), null, null, null).withPackedWeights(room);
            List<Linear> layers = List.of(Linear.tied(first), Linear.tied(second));
            List<float[]> apart = products(layers, context);
            long bytesApart = room.bytes();
            room.close();
            Linear.together(layers, x, context);
            List<float[]> together = products(layers, context);
            for (int i = 0; i < layers.size(); i++) {
                assertArrayEquals(apart.get(i), together.get(i));
            }
            assertEquals(bytesApart, room.bytes());
        }
    }

    private List<float[]> products(List<Linear> layers, SequenceContext context) {
        return layers.stream()
                .map(layer -> layer.forward(x, context).contiguous().toFloatArray())
                .toList();
    }

    @Test
    void layersThatAMethodGivesOtherInputsAreMultipliedApartFromThenOn() {
        try (PackedWeights room = new PackedWeights(4 * BYTES);
                Parameter first = weight();
                Parameter second = weight()) {
            SequenceContext context =
                    new SequenceContext(Tensors.arange(3, Device.CPU), null, null, null).withPackedWeights(room);
            List<Linear> layers = List.of(Linear.tied(first), Linear.tied(second));
            for (int pass = 0; pass < 3; pass++) {
                Linear.together(layers, x, context);
                layers.get(0).forward(x, context);
                float[] expected = layers.get(1).forward(x.mul(2), null).toFloatArray();
                assertArrayEquals(
                        expected, layers.get(1).forward(x.mul(2), context).toFloatArray(), 1e-5f);
            }
            assertEquals(2 * BYTES, room.bytes());
        }
    }

    /** A block whose first two layers are packed as one. */
    private static final class Block extends Module {

        final Linear first = child("first", Linear.tied(new Parameter("first.weight", numbers(24, 16, 0.3))));
        final Linear second = child("second", Linear.tied(new Parameter("second.weight", numbers(8, 16, 0.9))));

        @Override
        protected List<List<Linear>> appliedTogether() {
            return List.of(List.of(first, second));
        }
    }

    /** The root of a tree of modules is not among its parts. */
    private static final class Root extends Module {

        final Block block = child("block", new Block());
    }

    @Test
    void inPlaceWeightsTakeNoMoreMemoryAndNoCopies() {
        try (Root root = new Root()) {
            List<Linear> layers = List.of(root.block.first, root.block.second);
            List<float[]> plain = products(layers, context(null));
            PackedWeights.pack(root, 0);
            assertEquals(
                    32 * 16 * Float.BYTES,
                    root.allParameters().stream().mapToLong(Parameter::bytes).sum());
            SequenceContext context = context(packed);
            Linear.together(layers, x, context);
            List<float[]> together = products(layers, context);
            List<float[]> apart = products(layers, context);
            for (int i = 0; i < layers.size(); i++) {
                assertArrayEquals(plain.get(i), together.get(i), 1e-5f);
                assertArrayEquals(together.get(i), apart.get(i));
            }
            assertEquals(0, packed.bytes());
        }
    }

    @Test
    void inPlaceWeightsThatAreReadAgainAreKeptInTheirOwnOrderToo() {
        try (Root root = new Root()) {
            Parameter weight = root.block.second.weight();
            float[] numbers = weight.as(DType.FLOAT32).toFloatArray();
            PackedWeights.pack(root, 0);
            long bytes = weight.bytes();
            assertArrayEquals(numbers, weight.as(DType.FLOAT32).toFloatArray());
            assertEquals(bytes, weight.bytes());
            assertArrayEquals(numbers, weight.as(DType.FLOAT32).toFloatArray());
            assertEquals(2 * bytes, weight.bytes());
            assertArrayEquals(numbers, weight.value().toFloatArray());
        }
    }

    @Test
    void inPlaceWeightsThatChangeAreMultipliedAsTheyAreNow() {
        try (Root root = new Root();
                PackedWeights none = new PackedWeights(0)) {
            Linear layer = root.block.first;
            PackedWeights.pack(root, 0);
            layer.weight().set(numbers(24, 16, 0.1));
            float[] expected = x.matmul(numbers(24, 16, 0.1).transpose(0, 1)).toFloatArray();
            assertArrayEquals(expected, layer.forward(x, context(none)).toFloatArray(), 1e-5f);
            layer.weight().train(DType.FLOAT32);
            layer.weight().value().detach().zeroInPlace();
            assertArrayEquals(new float[3 * 24], layer.forward(x, context(none)).toFloatArray());
        }
    }

    @Test
    void inPlaceWeightsInASmallerTypeGrowWithinALimitAndKeepTheirType() {
        try (Root root = new Root()) {
            for (Linear layer : List.of(root.block.first, root.block.second)) {
                layer.weight().replace(layer.weight().as(DType.BFLOAT16).copy());
            }
            Parameter weight = root.block.first.weight();
            float[] numbers = weight.as(DType.FLOAT32).toFloatArray();
            PackedWeights.pack(root, 8 * 16 * 2 - 1);
            assertTrue(weight.form() instanceof DenseValue);
            PackedWeights.pack(root, 32 * 16 * 2);
            assertTrue(weight.form() instanceof PackedValue);
            assertEquals(DType.BFLOAT16, weight.dtype());
            assertEquals(DType.BFLOAT16, weight.value().dtype());
            assertArrayEquals(numbers, weight.as(DType.FLOAT32).toFloatArray());
        }
    }

    /** A table that an output layer is tied to. */
    private static final class Tied extends Module {

        final Embedding table = child("table", new Embedding(Weights.of(NUMBERS), 24, 16, Initialization.ZEROS));
        final Linear output = child("output", Linear.tied(table.weight()));

        private static final Weights.Source NUMBERS = new Weights.Source() {
            @Override
            public boolean contains(String name) {
                return true;
            }

            @Override
            public Tensor tensor(String name, Initialization initialization, long[] shape) {
                return numbers(shape[0], shape[1], 0.3);
            }
        };
    }

    @Test
    void aTableIsLookedUpAsItWasAndPackedForTheLayerThatIsTiedToIt() {
        try (Tied tied = new Tied();
                PackedWeights none = new PackedWeights(0)) {
            float[] plain = tied.output.forward(x, context(null)).toFloatArray();
            Tensor row = Tensors.of(new int[] {7}, 1).to(DType.INT64);
            float[] vector = tied.table.forward(row, DType.FLOAT32).toFloatArray();
            PackedWeights.pack(tied, BYTES - 1);
            assertTrue(tied.table.weight().form() instanceof DenseValue);
            PackedWeights.pack(tied, BYTES);
            assertTrue(tied.table.weight().form() instanceof PackedValue);
            assertArrayEquals(plain, tied.output.forward(x, context(none)).toFloatArray(), 1e-5f);
            for (int time = 0; time < 3; time++) {
                assertArrayEquals(vector, tied.table.forward(row, DType.FLOAT32).toFloatArray());
            }
            assertEquals(2 * BYTES, tied.table.weight().bytes());
        }
    }

    @Test
    void whatTrainsIsNotPackedInPlace() {
        try (Root root = new Root()) {
            root.block.first.weight().train(DType.FLOAT32);
            PackedWeights.pack(root, 0);
            assertTrue(root.block.first.weight().form() instanceof DenseValue);
            assertTrue(root.block.second.weight().form() instanceof PackedValue);
        }
    }

    private SequenceContext context(@Nullable PackedWeights weights) {
        return new SequenceContext(Tensors.arange(3, Device.CPU), null, null, null).withPackedWeights(weights);
    }
}
