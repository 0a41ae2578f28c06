package org.finetune4j.peft.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.Test;

/** LoRA-FA: A stays, and B moves so that {@code s B A} follows the whole weight's gradient G as well as rows of A can. */
class LoraFaTest {

    private static final String PATH = "model.layers.0.mlp.up_proj";
    private static final double SCALE = 2;

    private static Lora lora(boolean frozen) {
        return Lora.builder()
                .rank(4)
                .alpha(4 * SCALE)
                .initialization(LoraInitialization.RANDOM)
                .frozenA(frozen)
                .targetModules("up_proj")
                .build();
    }

    @Test
    void theStepOfTheWeightIsItsGradientProjectedToTheRowsOfA() {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                LoraAdapter adapter = lora(true).attach(model)) {
            Linear linear = (Linear)
                    Objects.requireNonNull(model.network().namedModules().get(PATH));
            Tensor a = matrix(adapter, "lora_A").value().detach();
            Parameter b = matrix(adapter, "lora_B");
            Tensor x = Tensors.randn(DType.FLOAT32, model.device(), 5, linear.inFeatures());
            Tensor direction = Tensors.randn(DType.FLOAT32, model.device(), 5, linear.outFeatures());
            try (Autograd.Mode mode = Autograd.enabled()) {
                Autograd.backward(linear.forward(x, null).mul(direction).sum());
            }
            assertNull(matrix(adapter, "lora_A").grad());
            adapter.trainingHooks().shapeGradients();
            Tensor change = Objects.requireNonNull(b.grad()).matmul(a).mul(SCALE); // of the weight, for a step of B
            Tensor gradient = direction.t().matmul(x); // G [out, in]
            Tensor projection =
                    a.t().matmul(LinearAlgebra.inverse(a.matmul(a.t()))).matmul(a); // [in, in]
            assertArrayEquals(gradient.matmul(projection).toFloatArray(), change.toFloatArray(), 1e-3f);
        }
    }

    @Test
    void aTrainingMovesBByTheShapedGradientAndLeavesA() {
        float[][] plain = afterOneStep(false);
        float[][] shaped = afterOneStep(true);
        assertArrayEquals(plain[0], shaped[0], "the same start of A");
        assertArrayEquals(shaped[0], shaped[2], "A after the step");
        try (TensorScope scope = TensorScope.open()) {
            Tensor a = Tensors.of(plain[0], 4, plain[0].length / 4);
            int out = plain[1].length / 4;
            Tensor step = difference(plain, out);
            Tensor expected =
                    step.matmul(LinearAlgebra.inverse(a.matmul(a.t()))).div(SCALE * SCALE);
            Tensor own = difference(shaped, out);
            double largest = expected.abs().max().item();
            assertEquals(0, own.sub(expected).abs().max().item(), 2e-3 * largest);
        }
    }

    private static Tensor difference(float[][] run, int out) {
        return Tensors.of(run[3], out, 4).sub(Tensors.of(run[1], out, 4));
    }

    /** A and B before and after a step of plain gradient descent. */
    private static float[][] afterOneStep(boolean frozen) {
        TrainingArguments arguments = TrainingArguments.builder()
                .batchSize(2)
                .maxSteps(1)
                .learningRate(1e-1)
                .maxGradNorm(0)
                .optimizer("sgd")
                .build();
        try (RandomGenerator.Use use = RandomGenerator.of(3).use();
                TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                LoraAdapter adapter = lora(frozen).attach(model)) {
            float[] a = matrix(adapter, "lora_A").value().detach().toFloatArray();
            float[] b = matrix(adapter, "lora_B").value().detach().toFloatArray();
            new Trainer(model, adapter, arguments, new SyntheticSamples(2, 199, 3), null, new Collator(0, 1), List.of())
                    .train();
            return new float[][] {
                a,
                b,
                matrix(adapter, "lora_A").value().detach().toFloatArray(),
                matrix(adapter, "lora_B").value().detach().toFloatArray()
            };
        }
    }

    private static Parameter matrix(LoraAdapter adapter, String name) {
        Map<String, Parameter> parameters = adapter.parametersByKey();
        return Objects.requireNonNull(parameters.get("base_model.model." + PATH + "." + name + ".weight"));
    }
}
