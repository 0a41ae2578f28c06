package org.finetune4j.quant.bitsandbytes;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.CompressedCheckpointFormat;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.WeightCompression;
import org.finetune4j.quant.Quantization;
import org.finetune4j.quant.QuantizationType;

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
    public WeightCompression compression(ModelConfig config) {
        JsonNode node = config.node(ModelConfig.QUANTIZATION);
        String storage = node.path("bnb_4bit_quant_storage").asText("uint8");
        if (!storage.equals("uint8")) {
            throw config.invalid(ModelConfig.QUANTIZATION, "bnb_4bit_quant_storage uint8, not " + storage);
        }
        QuantizationType type = node.path("load_in_8bit").asBoolean()
                ? QuantizationType.INT8
                : QuantizationType.named(
                        node.path("bnb_4bit_quant_type").asText("fp4"), config.origin() + ": 'bnb_4bit_quant_type'");
        List<String> skipped = new ArrayList<>();
        node.path("llm_int8_skip_modules").forEach(name -> skipped.add(name.asText()));
        return new BitsAndBytesCompression(Quantization.of(type).skipping(skipped), true);
    }
}
