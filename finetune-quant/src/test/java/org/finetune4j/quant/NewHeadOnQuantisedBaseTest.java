package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.file.Path;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.HeadlessCheckpoints;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.Parameter;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What an encoder lacks to be a classifier is drawn and trains, so that there is nothing to compress. */
class NewHeadOnQuantisedBaseTest {

    private static final Path GOLDENS = Path.of("../finetune-core/src/test/resources/goldens");

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({
        "arch/bert-seqcls, bert.encoder.layer.0.output.dense.weight",
        "variants/roberta-seqcls, roberta.encoder.layer.0.output.dense.weight",
        "variants/distilbert-seqcls, distilbert.transformer.layer.0.ffn.lin1.weight",
        "variants/modernbert-seqcls, model.layers.0.attn.Wqkv.weight"
    })
    void theEncoderIsCompressedAndTheHeadIsNot(String encoder, String compressed) {
        Path base = HeadlessCheckpoints.write(GOLDENS.resolve(encoder), directory);
        LoadOptions options = LoadOptions.defaults()
                .asClassifier(3)
                .withCompression(Quantization.qlora().compression());
        try (CausalLM model = CausalLM.load(base, options)) {
            assertNotNull(parameter(model, compressed).compressed());
            assertFalse(model.newModules().isEmpty());
            for (String path : model.newModules()) {
                assertNull(parameter(model, path + ".weight").compressed(), path);
            }
            assertEquals(3, model.network().outputLayer().outFeatures());
        }
    }

    private static Parameter parameter(CausalLM model, String name) {
        return model.network().namedParameters().get(name);
    }
}
