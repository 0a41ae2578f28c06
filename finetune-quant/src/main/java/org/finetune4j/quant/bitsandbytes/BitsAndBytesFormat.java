package org.finetune4j.quant.bitsandbytes;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.CompressedCheckpointFormat;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.quant.EightBitWeight;
import org.finetune4j.quant.FourBitWeight;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;

/** Checkpoints that transformers saved with a {@code BitsAndBytesConfig}. */
public final class BitsAndBytesFormat implements CompressedCheckpointFormat {

    @Override
    public boolean accepts(ModelConfig config) {
        JsonNode node = config.node(ModelConfig.QUANTIZATION);
        return node.path("quant_method").asText("bitsandbytes").equals("bitsandbytes")
                && (node.path("load_in_4bit").asBoolean()
                        || node.path("load_in_8bit").asBoolean());
    }

    @Override
    public void check(ModelConfig config) {
        JsonNode node = config.node(ModelConfig.QUANTIZATION);
        String storage = node.path("bnb_4bit_quant_storage").asText("uint8");
        if (!storage.equals("uint8")) {
            throw config.invalid(ModelConfig.QUANTIZATION, "bnb_4bit_quant_storage uint8, not " + storage);
        }
        if (!node.path("load_in_8bit").asBoolean()) {
            QuantizationType.named(
                    node.path("bnb_4bit_quant_type").asText("fp4"), config.origin() + ": 'bnb_4bit_quant_type'");
        }
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
    public boolean holds(CompressedWeight weight) {
        return weight instanceof FourBitWeight || weight instanceof EightBitWeight;
    }

    @Override
    public Map<String, Tensor> tensors(CompressedWeight weight, String name) {
        return weight instanceof FourBitWeight fourBit
                ? FourBitTensors.of(fourBit, name)
                : EightBitTensors.of((EightBitWeight) weight, name);
    }

    @Override
    public Map<String, Object> configuration(CompressedWeight weight) {
        return weight instanceof FourBitWeight fourBit
                ? FourBitTensors.configuration(fourBit)
                : EightBitTensors.configuration();
    }
}
