package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
                // Products depend in their last digits on where a file begins in memory.
                assertArrayEquals(scores, again.logits(inputs).toFloatArray(), 1e-6f);
            }
        }
    }

    /** What stands between encoder and labels is new there, and the model says so. */
    @ParameterizedTest
    @CsvSource({
        "arch/bert-seqcls, bert.pooler.dense classifier",
        "variants/roberta-seqcls, classifier.dense classifier.out_proj",
        "variants/xlm-roberta-seqcls, classifier.dense classifier.out_proj",
        "variants/camembert-seqcls, classifier.dense classifier.out_proj",
        "variants/electra-seqcls, classifier.dense classifier.out_proj",
        "variants/distilbert-seqcls, classifier pre_classifier",
        "variants/modernbert-mean, classifier head.dense head.norm"
    })
    void anEncoderThatFillsInWordsGivesItsBackbone(String classifier, String isNew) {
        Path encoder = HeadlessCheckpoints.write(Path.of("src/test/resources/goldens", classifier), directory);
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(encoder, LoadOptions.defaults().asClassifier(2))) {
            assertEquals(2, model.logits(ModelInputs.of(5, 6)).numel());
            assertEquals(2, model.config().labels());
            assertEquals(Set.of(isNew.split(" ")), model.newModules());
            assertEquals(
                    ModelConfig.load(Path.of("src/test/resources/goldens", classifier))
                            .architecture(),
                    model.config().architecture());
        }
    }

    /** A ModernBERT that fills in words has the same layers below its words as a classifier below its labels: transformers takes them. */
    @Test
    void aHeadThatFillsInWordsGivesWhatAClassifierHasToo() {
        Path classifier = Path.of("src/test/resources/goldens/variants/modernbert-mean");
        Path encoder = HeadlessCheckpoints.write(classifier, directory, List.of("classifier."));
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(encoder, LoadOptions.defaults().asClassifier(2));
                CausalLM source = CausalLM.load(classifier)) {
            assertEquals(Set.of("classifier"), model.newModules());
            for (String name : List.of("head.dense.weight", "head.dense.bias", "head.norm.weight")) {
                assertArrayEquals(weight(source, name), weight(model, name));
            }
        }
    }

    private static float[] weight(CausalLM model, String name) {
        return model.network().namedParameters().get(name).value().toFloatArray();
    }

    @Test
    void aClassifierHasNothingNew() {
        try (CausalLM model = CausalLM.load(
                GoldenModels.directory("bert-seqcls"), LoadOptions.defaults().asClassifier(3))) {
            assertEquals(Set.of(), model.newModules());
        }
    }

    /** What was wanted of the outputs holds for a model that has as many labels, too; their names stay. */
    @Test
    void aClassifierIsTrainedOnForAnotherProblemUnderItsNames() throws Exception {
        Path source = GoldenModels.directory("bert-seqcls");
        Files.copy(source.resolve("model.safetensors"), directory.resolve("model.safetensors"));
        ObjectNode config = InputFiles.jsonObject(source.resolve("config.json"));
        config.remove("problem_type");
        config.putObject("id2label").put("0", "a").put("1", "b").put("2", "c");
        Files.writeString(directory.resolve("config.json"), Json.write(config));
        for (List<String> names :
                List.of(List.of("a", "b", "c"), ClassifierHead.of(3).labels())) {
            ClassifierHead head = new ClassifierHead(names, ProblemType.MULTI_LABEL_CLASSIFICATION.configName());
            try (CausalLM model =
                    CausalLM.load(directory, LoadOptions.defaults().asClassifier(head))) {
                assertEquals(ProblemType.MULTI_LABEL_CLASSIFICATION, ProblemType.of(model.config()));
                assertEquals(List.of("a", "b", "c"), model.config().labelNames());
            }
        }
        try (CausalLM model = CausalLM.load(directory)) {
            assertEquals(ProblemType.SINGLE_LABEL_CLASSIFICATION, ProblemType.of(model.config()));
        }
    }
}
