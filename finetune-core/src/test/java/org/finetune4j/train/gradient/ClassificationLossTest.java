package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.function.Function;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.GoldenModels;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** The three losses of a classifier by their formulas, and their gradients by differences. */
class ClassificationLossTest {

    private static final ModelInputs INPUTS =
            new ModelInputs(2, 4, new int[] {5, 6, 7, 8, 9, 10, 0, 0}, new byte[] {1, 1, 1, 1, 1, 1, 0, 0}, null);

    @Test
    void oneLabelMeansRegressionOfANumber() {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = classifier(1)) {
            float[] predicted = model.logits(INPUTS).toFloatArray();
            assertEquals(2, predicted.length);
            double expected = (square(predicted[0] - 1) + square(predicted[1] + 2)) / 2;
            ClassificationLoss loss = ClassificationLoss.regression(model.network(), INPUTS, new float[] {1, -2}, 0.5);
            assertEquals(expected, evaluate(model, loss), 1e-5);
            assertGradient(model, network -> loss);
        }
    }

    @Test
    void severalLabelsCanHoldAtOnce() {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = classifier(3)) {
            float[] targets = {1, 0, 1, 0, 0, 1};
            float[] logits = model.logits(INPUTS).toFloatArray();
            double expected = 0;
            for (int i = 0; i < 6; i++) {
                double p = 1 / (1 + Math.exp(-logits[i]));
                expected -= targets[i] == 1 ? Math.log(p) : Math.log(1 - p);
            }
            ClassificationLoss loss = ClassificationLoss.multiLabel(model.network(), INPUTS, targets, 0.5);
            assertEquals(expected / 6, evaluate(model, loss), 1e-5);
            assertGradient(model, network -> loss);
        }
    }

    @Test
    void oneClassOfSeveral() {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = classifier(3)) {
            ClassificationLoss loss = ClassificationLoss.singleLabel(model.network(), INPUTS, new int[] {2, 0}, 0.5);
            assertGradient(model, network -> loss);
        }
    }

    @Test
    void labelsThatTheModelDoesNotHaveAreRefusedWithTheirPlace() {
        try (CausalLM model = classifier(3)) {
            DecoderModel network = model.network();
            float[] targets = new float[6];
            Map<String, Executable> wrong = Map.of(
                    "label 3 (sequence 0)",
                    () -> ClassificationLoss.singleLabel(network, INPUTS, new int[] {3, 0}, 1),
                    "label -1 (sequence 1)",
                    () -> ClassificationLoss.singleLabel(network, INPUTS, new int[] {0, -1}, 1),
                    "1 labels for 2 sequences",
                    () -> ClassificationLoss.singleLabel(network, INPUTS, new int[] {0}, 1),
                    "target NaN (number 5)",
                    () -> ClassificationLoss.regression(network, INPUTS, with(targets, Float.NaN), 1),
                    "target 2.0 (number 5)",
                    () -> ClassificationLoss.multiLabel(network, INPUTS, with(targets, 2), 1));
            wrong.forEach((message, call) -> {
                UserErrorException refused = assertThrows(UserErrorException.class, call, message);
                assertTrue(refused.getMessage().contains(message), refused.getMessage());
            });
        }
    }

    private static float[] with(float[] targets, float last) {
        float[] changed = targets.clone();
        changed[changed.length - 1] = last;
        return changed;
    }

    @Test
    void theLastTokenThatIsNotPaddingByItsIdIsRead() {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = classifier(3)) {
            float[] batched = model.logits(INPUTS).select(0, 1).toFloatArray();
            float[] alone = model.logits(ModelInputs.of(9, 10)).toFloatArray();
            assertArrayEquals(alone, batched, 1e-5f);
        }
    }

    @Test
    void aBatchWithoutAPaddingTokenIsRefused() {
        ModelConfig config = config(2, "");
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.initialize(config, null, Device.CPU, 3)) {
            assertEquals(2, model.logits(ModelInputs.of(1, 2)).numel());
            assertThrows(UserErrorException.class, () -> model.logits(INPUTS));
        }
    }

    @Test
    void aClassifierDoesNotGenerate() {
        try (CausalLM model = CausalLM.load(GoldenModels.directory("llama-seqcls"))) {
            UserErrorException error = assertThrows(UserErrorException.class, () -> TextGenerator.of(model)
                    .generate(java.util.List.of(new int[] {1}), GenerationOptions.greedy(2), (row, token) -> {}));
            assertEquals(true, error.getMessage().contains("LlamaForSequenceClassification"), error::getMessage);
        }
    }

    /** d(loss)/d(weight) against the difference of two losses, for a few weights of head, norm and layer. */
    private static void assertGradient(CausalLM model, Function<CausalLM, LossHead> head) {
        Backpropagation backpropagation = new Backpropagation(model, GradientCheckpointing.none());
        try (AttachedStrategy full = new FullFineTuning().attach(model);
                Autograd.Mode mode = Autograd.disabled()) {
            backpropagation.run(INPUTS, head.apply(model));
            for (String name :
                    new String[] {"score.weight", "model.norm.weight", "model.layers.0.self_attn.v_proj.weight"}) {
                Parameter parameter = model.network().namedParameters().get(name);
                double analytic = parameter.grad().reshape(-1).select(0, 3).item();
                Tensor element = parameter.value().detach().view(-1).narrow(0, 3, 1);
                double original = element.item();
                double step = 1e-2;
                element.copyInPlace(Tensors.of(new float[] {(float) (original + step)}, 1));
                double above = evaluate(model, head.apply(model));
                element.copyInPlace(Tensors.of(new float[] {(float) (original - step)}, 1));
                double below = evaluate(model, head.apply(model));
                element.copyInPlace(Tensors.of(new float[] {(float) original}, 1));
                assertEquals((above - below) / (2 * step), analytic, 2e-3 * Math.max(1, Math.abs(analytic)), name);
            }
        }
    }

    private static double evaluate(CausalLM model, LossHead head) {
        return new Backpropagation(model, GradientCheckpointing.none()).evaluate(INPUTS, head);
    }

    private static double square(double x) {
        return x * x;
    }

    private static CausalLM classifier(int labels) {
        return CausalLM.initialize(config(labels, "\"pad_token_id\": 0,"), null, Device.CPU, 3);
    }

    private static ModelConfig config(int labels, String padding) {
        return ModelConfig.parse("""
                {"architectures": ["LlamaForSequenceClassification"], "vocab_size": 20, "hidden_size": 8, %s
                 "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "num_labels": %d,
                 "initializer_range": 0.4}
                """.formatted(padding, labels), "a classifier");
    }
}
