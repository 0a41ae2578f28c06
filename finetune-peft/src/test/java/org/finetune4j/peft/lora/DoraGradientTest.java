package org.finetune4j.peft.lora;

import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.PartedWeight;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.strategy.DirectionalDerivative;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** DoRA's gradients are the derivatives of its formula with the norms held still, as the paper has them. */
class DoraGradientTest {

    @ParameterizedTest
    @CsvSource({"llama, model.layers.0.mlp.up_proj", "gpt2, transformer.h.0.attn.c_attn"})
    void normsAreConstantsOfTheGradient(String base, String path) {
        LoadOptions options = LoadOptions.defaults().inDoublePrecision();
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve(base), options);
                LoraAdapter adapter = Lora.builder()
                        .rank(4)
                        .alpha(8)
                        .useDora(true)
                        .initialization(LoraInitialization.RANDOM)
                        .targetModules("all-linear")
                        .build()
                        .attach(model)) {
            Linear linear = (Linear) model.network().namedModules().get(path);
            Map<String, Parameter> parameters = adapter.parametersByKey();
            String prefix = "base_model.model." + path + ".";
            Parameter a = parameters.get(prefix + "lora_A.weight");
            Parameter b = parameters.get(prefix + "lora_B.weight");
            Parameter magnitude = parameters.get(prefix + "lora_magnitude_vector");
            Tensor x = Tensors.randn(DType.FLOAT64, model.device(), 5, linear.inFeatures());
            Tensor direction = Tensors.randn(DType.FLOAT64, model.device(), 5, linear.outFeatures());
            Tensor weight = PartedWeight.dense(linear, null);
            Tensor norm = whole(weight, a, b).square().sum(1, false).sqrt();
            try (Autograd.Mode mode = Autograd.enabled()) {
                Autograd.backward(linear.forward(x, null).mul(direction).sum());
            }
            for (Parameter parameter : new Parameter[] {a, b, magnitude}) {
                DirectionalDerivative.assertIsGradient(parameter, () -> {
                    Tensor scaled = whole(weight, a, b)
                            .mul(magnitude.value().detach().div(norm).unsqueeze(1)); // [out, in]
                    return x.matmul(scaled.t()).mul(direction).sum().item();
                });
            }
        }
    }

    private static Tensor whole(Tensor weight, Parameter a, Parameter b) {
        return weight.addScaled(b.value().detach().matmul(a.value().detach()), 2);
    }
}
