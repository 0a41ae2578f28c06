package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Experts that a checkpoint has in one tensor, in MXFP4 or not, in four bits. */
class PackedExpertsTest {

    private static final Path PACKED = Path.of("../finetune-core/src/test/resources/goldens/variants/gpt-oss-mxfp4");
    private static final String EXPERT = "model.layers.1.mlp.experts.2.gate_up_proj.weight";

    @TempDir
    Path directory;

    private static float[] scores(CausalLM model) {
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(ModelInputs.of(5, 8, 3, 30, 11)).toFloatArray();
        }
    }

    @Test
    void areTheSameFourBitsWhicheverFileTheyComeFrom() {
        LoadOptions quantised =
                LoadOptions.defaults().withCompression(Quantization.qlora().compression());
        try (CausalLM plain = CausalLM.load(PACKED)) {
            plain.save(directory.resolve("plain"));
        }
        float[] expected;
        try (CausalLM model = CausalLM.load(directory.resolve("plain"), quantised)) {
            expected = scores(model);
        }
        try (CausalLM model = CausalLM.load(PACKED, quantised);
                TensorScope scope = TensorScope.open()) {
            Parameter expert = model.network().namedParameters().get(EXPERT);
            assertNotNull(expert.compressed());
            assertEquals(32 * 64, expert.uncompressed().orElseThrow().numel());
            assertArrayEquals(expected, scores(model));
            model.save(directory.resolve("four"));
        }
        try (CausalLM model = CausalLM.load(directory.resolve("four"));
                CheckpointReader reader = CheckpointReader.open(directory.resolve("four"))) {
            assertArrayEquals(expected, scores(model));
            assertTrue(reader.contains(EXPERT));
            assertTrue(reader.contains("model.layers.1.mlp.experts.gate_up_proj_bias"));
        }
    }
}
