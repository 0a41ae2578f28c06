package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A language model's backbone becomes a classifier with a new head. */
class ClassifierLoadingTest {

    @TempDir
    Path directory;

    @ParameterizedTest
    @MethodSource("org.finetune4j.model.GoldenModels#names")
    void everyModelLoadsAsAClassifierAndIsSavedAsOne(String name) {
        LoadOptions options = LoadOptions.defaults().asClassifier(1);
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(GoldenModels.directory(name), options)) {
            assertTrue(model.config().isSequenceClassifier());
            ModelInputs inputs = ModelInputs.of(5, 6, 7);
            float[] scores = model.logits(inputs).toFloatArray();
            assertEquals(1, scores.length);
            model.save(directory);
            try (CausalLM again = CausalLM.load(directory)) {
                assertArrayEquals(scores, again.logits(inputs).toFloatArray());
            }
        }
    }

    @Test
    void aBertForAnotherTaskGivesItsBackbone() throws Exception {
        Path source = GoldenModels.directory("bert-seqcls");
        Files.copy(source.resolve("model.safetensors"), directory.resolve("model.safetensors"));
        Files.writeString(
                directory.resolve("config.json"),
                Files.readString(source.resolve("config.json"))
                        .replace("BertForSequenceClassification", "BertForMaskedLM"));
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(directory, LoadOptions.defaults().asClassifier(2))) {
            assertEquals(2, model.logits(ModelInputs.of(5, 6)).numel());
            assertEquals(2, model.config().labels());
        }
    }
}
