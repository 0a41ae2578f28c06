package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelWriter;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraInitialization;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.gradient.Pipeline;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** All layers decompress into the same memory: the gradients must be those of a model that was decompressed for good. */
@Tag("slow")
class SharedBuffersTest {

    static Stream<Arguments> formatsAndCheckpoints() {
        return Stream.of(QuantizationType.NF4, QuantizationType.INT8)
                .flatMap(type -> Stream.of(0, 1, 2, 3, 8).map(every -> Arguments.of(type, every)));
    }

    @ParameterizedTest
    @MethodSource("formatsAndCheckpoints")
    void gradientsAreThoseOfTheDecompressedModel(QuantizationType type, int everyLayers, @TempDir Path plain) {
        Path deep = plain.resolve("deep");
        try (CausalLM model = TinyModels.load(TinyModels.DEEP, LoadOptions.defaults())) {
            model.save(deep);
        }
        LoadOptions options =
                LoadOptions.defaults().withCompression(Quantization.of(type).compression());
        try (TensorScope scope = TensorScope.open();
                CausalLM quantised = CausalLM.load(deep, options)) {
            ModelWriter.of(quantised).decompressed().write(plain.resolve("plain"));
            try (CausalLM decompressed = CausalLM.load(plain.resolve("plain"))) {
                Map<String, float[]> expected =
                        gradients(decompressed, GradientCheckpointing.none(), SegmentFactory.autograd());
                GradientCheckpointing checkpointing = new GradientCheckpointing(everyLayers);
                for (SegmentFactory factory : List.of(SegmentFactory.installed(), SegmentFactory.autograd())) {
                    NamedGradients.assertSame(expected, gradients(quantised, checkpointing, factory), 1e-5f);
                }
            }
            long layer = quantised.network().layers().get(0).namedParameters().values().stream()
                    .filter(parameter -> parameter.compressed() != null)
                    .mapToLong(parameter -> parameter.numel() * Float.BYTES)
                    .sum();
            assertTrue(layer > 0);
            assertEquals(layer, quantised.network().weightBuffers().bytes(), "one layer's worth, whatever the depth");
        }
    }

    /** A stage goes forwards with the next batch before it goes back with the last one: the buffers are filled again. */
    @ParameterizedTest
    @ValueSource(ints = {0, 2})
    void severalBatchesOnTheirWayUseTheSameBuffers(int everyLayers, @TempDir Path deep) {
        try (CausalLM model = TinyModels.load(TinyModels.DEEP, LoadOptions.defaults())) {
            model.save(deep);
        }
        LoadOptions options =
                LoadOptions.defaults().withCompression(Quantization.qlora().compression());
        SyntheticSamples samples = new SyntheticSamples(4, 150, 4);
        Collator collator = new Collator(0, 1);
        List<Batch> batches = List.of(
                collator.collate(List.of(samples.get(0), samples.get(1))),
                collator.collate(List.of(samples.get(2), samples.get(3))));
        double scale = 1.0 / batches.stream().mapToInt(Batch::labelledTokens).sum();
        try (CausalLM model = CausalLM.load(deep, options);
                Adapter lora = attach(model)) {
            assertTrue(model.network().allParameters().stream().anyMatch(parameter -> parameter.compressed() != null));
            Backpropagation backpropagation = new Backpropagation(model, new GradientCheckpointing(everyLayers));
            for (Batch batch : batches) {
                backpropagation.run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, scale));
            }
            Map<String, float[]> expected = NamedGradients.of(lora.parametersByKey());
            lora.trainableParameters().forEach(Parameter::clearGrad);
            long bytes = model.network().weightBuffers().bytes();
            new Pipeline(backpropagation, model, 3, 6).run(batches);
            NamedGradients.assertSame(expected, NamedGradients.of(lora.parametersByKey()), 0);
            assertEquals(bytes, model.network().weightBuffers().bytes());
        }
    }

    private static Adapter attach(CausalLM model) {
        Torch.seed(3);
        return Lora.builder()
                .rank(4)
                .alpha(8)
                .targetModules("all-linear")
                .initialization(LoraInitialization.RANDOM)
                .build()
                .attach(model);
    }

    private static Map<String, float[]> gradients(
            CausalLM model, GradientCheckpointing checkpointing, SegmentFactory factory) {
        int[] ids = {5, 9, 17, 33, 65, 129, 7, 11};
        byte[] mask = {1, 1, 1, 1, 1, 1, 1, 1};
        Batch batch = new Batch(1, ids.length, ids, mask, ids);
        try (Adapter lora = attach(model)) {
            new Backpropagation(model, checkpointing)
                    .with(factory)
                    .run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1.0 / 7));
            Map<String, float[]> gradients = NamedGradients.of(lora.parametersByKey());
            assertEquals(lora.parametersByKey().keySet(), gradients.keySet());
            return gradients;
        }
    }
}
