package org.finetune4j.dist.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.LocalCommunicator;
import org.finetune4j.dist.tensor.Division.Axis;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.quant.FourBitWeight;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Slices of a weight in 4 bits are the whole's numbers, packed where they cut no block. */
class SlicedQuantizationTest {

    @ParameterizedTest(name = "dimension {0} among {1} ranks, packed: {2}")
    @CsvSource({"0, 2, true", "0, 3, true", "1, 2, true", "1, 4, true", "1, 3, false"})
    void aSliceHasTheNumbersOfTheWhole(int dimension, int ranks, boolean packed) {
        try (TensorScope scope = TensorScope.open();
                Communicator alone = LocalCommunicator.single();
                SumRegion region = new SumRegion(alone)) {
            Tensor weight = Tensors.zeros(DType.FLOAT32, Device.CPU, 12, 256).normalInPlace(0, 1);
            try (FourBitWeight whole = FourBitWeight.quantize(weight, QuantizationType.NF4, 64, true)) {
                for (int rank = 0; rank < ranks; rank++) {
                    Division own = new Division(
                            Axis.even(weight.size(dimension), ranks), rank, region, new SliceGathering(alone));
                    ParameterSlice slice = new ParameterSlice(dimension, own);
                    FourBitWeight part = whole.slice(slice);
                    assertEquals(packed, part != null);
                    if (packed) {
                        assertNotNull(part);
                        Tensor expected = slice.of(whole.decompress(DType.FLOAT32));
                        assertArrayEquals(expected.shape(), part.shape());
                        assertArrayEquals(
                                expected.contiguous().toFloatArray(),
                                part.decompress(DType.FLOAT32).toFloatArray());
                        part.close();
                    }
                }
            }
        }
    }
}
