package org.finetune4j.peft.bitfit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.optimizer.AdamW;
import org.finetune4j.train.optimizer.ParameterGroup;
import org.finetune4j.verify.GoldenBatches;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The biases that PyTorch trained, their gradients, and what one step of AdamW made of them. */
class BitFitParityTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/bitfit");

    private static final double LEARNING_RATE = 0.01;
    private static final double EPSILON = 1e-8;

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "qwen2"})
    void gradientsAndOneStepAreReproduced(String base) {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile golden =
                        SafetensorsFile.open(GOLDENS.resolve(base).resolve("golden.safetensors"));
                CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve(base));
                Adapter adapter = BitFit.all().attach(model);
                AdamW optimizer =
                        new AdamW(ParameterGroup.all(adapter.trainableParameters(), 0), 0.9, 0.999, EPSILON)) {
            Map<String, Parameter> biases = new TreeMap<>();
            adapter.parametersByKey()
                    .forEach((key, parameter) -> biases.put(key.substring(AdapterWeights.PREFIX.length()), parameter));
            List<String> recorded = golden.names().stream()
                    .filter(name -> name.startsWith("grad."))
                    .map(name -> name.substring("grad.".length()))
                    .sorted()
                    .toList();
            assertEquals(recorded, new ArrayList<>(biases.keySet()));

            var batch = GoldenBatches.read(golden);
            LanguageModelLoss head = LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens());
            double loss = new Backpropagation(model, GradientCheckpointing.none())
                    .withoutDropout()
                    .run(batch.modelInputs(), head);
            assertEquals(golden.tensor("loss").item(), loss, 1e-5);
            biases.forEach((name, parameter) -> {
                Tensor expected = meaningful(name, golden.tensor("grad." + name));
                Tensor actual = meaningful(name, parameter.grad());
                double largest = expected.abs().max().item();
                assertTrue(actual.sub(expected).abs().max().item() <= 1e-4 * largest + 1e-7, name);
            });
            optimizer.step(LEARNING_RATE);
            biases.forEach((name, parameter) -> assertStep(
                    meaningful(name, golden.tensor("grad." + name)).toFloatArray(),
                    meaningful(name, golden.tensor("after_step." + name)).toFloatArray(),
                    meaningful(name, parameter.value().detach()).toFloatArray(),
                    name));
            ModelInputs inputs = batch.modelInputs();
            double after = new Backpropagation(model, GradientCheckpointing.none()).evaluate(inputs, head);
            assertEquals(golden.tensor("after_step_loss").item(), after, 1e-4);
        }
    }

    /** AdamW's first step is {@code lr * g / (|g| + eps)}: it magnifies the rounding of a gradient that is nearly zero. */
    private static void assertStep(float[] gradient, float[] expected, float[] actual, String name) {
        for (int i = 0; i < expected.length; i++) {
            double magnified = LEARNING_RATE * EPSILON / Math.pow(Math.abs(gradient[i]) + EPSILON, 2) * 1e-7;
            assertEquals(expected[i], actual[i], 1e-5 + Math.min(2 * LEARNING_RATE, magnified), name + " " + i);
        }
    }

    /** Without GPT-2's key bias, whose gradient is zero but for rounding. */
    private static Tensor meaningful(String name, Tensor bias) {
        if (!name.endsWith("attn.c_attn.bias")) {
            return bias;
        }
        long third = bias.size(0) / 3;
        return Tensors.cat(List.of(bias.narrow(0, 0, third), bias.narrow(0, 2 * third, third)), 0);
    }
}
