package org.finetune4j.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Objects;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.TinyModels;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Linear layers that round the factors of their products, as autocast does, and nothing else. */
class RoundedProductsTest {

    private static final LoadOptions ROUNDED = LoadOptions.defaults().withProductDType(DType.BFLOAT16);

    private static Tensor rounded(Tensor exact) {
        return exact.to(DType.BFLOAT16).to(DType.FLOAT32);
    }

    /** The largest difference as a part of the largest number. */
    private static double difference(Tensor actual, Tensor expected) {
        return actual.sub(expected).abs().max().item() / expected.abs().max().item();
    }

    private static Tensor wave(double step, long... shape) {
        long count = 1;
        for (long length : shape) {
            count *= length;
        }
        return Tensors.arange(count, Device.CPU)
                .to(DType.FLOAT32)
                .mul(step)
                .sin()
                .reshape(shape);
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource({"llama, layers.0.self_attn.q_proj", "qwen2, layers.1.self_attn.k_proj", "gpt2, h.0.mlp.c_fc"})
    void outputAndGradientsAreThoseOfRoundedFactors(String name, String path) {
        try (CausalLM model = TinyModels.load(name, ROUNDED);
                TensorScope scope = TensorScope.open()) {
            Linear linear = (Linear) model.network().namedModules().entrySet().stream()
                    .filter(entry -> entry.getKey().endsWith(path))
                    .findFirst()
                    .orElseThrow()
                    .getValue();
            Tensor w = rounded(linear.weight().as(DType.FLOAT32));
            Tensor matrix = linear.layout() == Linear.Layout.OUT_IN ? w.t() : w; // [in, out]
            Tensor x = wave(0.7, 6, linear.inFeatures());
            Tensor ofOutput = wave(0.3, 6, linear.outFeatures());
            Tensor leaf = x.detach().requiresGrad(true);
            Tensor output;
            try (Autograd.Mode mode = Autograd.enabled()) {
                output = linear.project(leaf, null);
                Autograd.backward(output, ofOutput);
            }
            assertEquals(DType.FLOAT32, output.dtype());
            Tensor expected = rounded(x).mm(matrix);
            Parameter bias = linear.bias();
            if (bias != null) {
                expected.addInPlace(bias.as(DType.FLOAT32));
            }
            // What is rounded once more is the product itself, by half of the last of eight bits.
            assertTrue(difference(output.detach(), expected) < 4e-3);
            Tensor gradient = Objects.requireNonNull(leaf.grad());
            assertTrue(difference(gradient, rounded(ofOutput).mm(matrix.t())) < 4e-3);
        }
    }

    @ParameterizedTest
    @CsvSource({"llama", "gpt2", "mixtral", "gemma2", "gpt_oss"})
    void logitsMoveByNoMoreThanTheRounding(String name) {
        ModelInputs ids = ModelInputs.of(new int[] {3, 5, 8, 13, 21});
        try (CausalLM exact = TinyModels.load(name, LoadOptions.defaults());
                CausalLM model = TinyModels.load(name, ROUNDED);
                TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.disabled()) {
            Tensor expected = exact.logits(ids);
            double difference = difference(model.logits(ids), expected);
            assertTrue(difference > 0, "something is rounded");
            assertTrue(difference < 0.03, () -> "relative difference " + difference);
        }
    }

    @Test
    void nothingIsRoundedUnlessAskedFor() {
        try (CausalLM model = TinyModels.load("llama", LoadOptions.defaults())) {
            assertNull(model.network().outputLayer().productDType());
        }
    }
}
