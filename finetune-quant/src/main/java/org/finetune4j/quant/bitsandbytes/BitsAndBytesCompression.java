package org.finetune4j.quant.bitsandbytes;

import java.util.Set;
import org.finetune4j.model.WeightCompression;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.quant.EightBitWeight;
import org.finetune4j.quant.FourBitWeight;
import org.finetune4j.quant.Quantization;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Quantises plain weights and reads those that bitsandbytes has quantised. */
public final class BitsAndBytesCompression implements WeightCompression {

    private final Quantization quantization;
    private final boolean storedOnly;

    /**
     * Makes the compression of one loading.
     *
     * @param quantization how, and which weights
     * @param storedOnly whether weights that a checkpoint holds as plain ones stay so, as in checkpoints that are quantised
     *     already
     */
    public BitsAndBytesCompression(Quantization quantization, boolean storedOnly) {
        this.quantization = quantization;
        this.storedOnly = storedOnly;
    }

    @Override
    public boolean applies(String name) {
        return quantization.covers(name);
    }

    @Override
    public Set<String> partsOf(CheckpointReader reader, String name) {
        Set<String> fourBit = FourBitTensors.partsOf(reader, name);
        return fourBit.isEmpty() ? EightBitTensors.partsOf(reader, name) : fourBit;
    }

    @Override
    public CompressedWeight read(CheckpointReader reader, String name, long[] shape, Device device) {
        return FourBitTensors.partsOf(reader, name).isEmpty()
                ? EightBitTensors.read(reader, name, shape, DType.FLOAT32, device)
                : FourBitTensors.read(reader, name, shape, device);
    }

    @Override
    public @Nullable CompressedWeight compress(String name, Tensor weight) {
        if (storedOnly) {
            return null;
        }
        return quantization.type().isFourBit()
                ? FourBitWeight.quantize(
                        weight, quantization.type(), quantization.blockSize(), quantization.doubleQuantization())
                : EightBitWeight.quantize(weight);
    }
}
