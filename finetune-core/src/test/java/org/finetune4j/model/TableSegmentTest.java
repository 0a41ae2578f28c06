package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.Objects;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rows and gradients are those that autograd finds, whatever the gradient held before. */
class TableSegmentTest {

    private static final int[] IDS = {3, 1, 3, 0, 7, 3, 2, 2};

    @ParameterizedTest(name = "{0}, {1}")
    @CsvSource({"llama, FLOAT32", "qwen2, FLOAT32", "gemma2, FLOAT32", "gpt2, FLOAT32", "llama, BFLOAT16"})
    void rowsAndGradientsAreAutograds(String name, DType dtype) {
        try (CausalLM model = TinyModels.load(name, LoadOptions.defaults().withDType(dtype));
                TensorScope scope = TensorScope.open()) {
            Parameter table = model.network().inputEmbedding().weight();
            table.train(dtype);
            float[][] expected = twice(model, AutogradSegment.embedding(model.network(), model.computeDType()));
            float[][] found = twice(model, new TableSegment(model.network(), model.computeDType()));
            assertArrayEquals(expected[0], found[0]);
            assertArrayEquals(expected[1], found[1], 1e-6f);
        }
    }

    /** The rows, and the gradient that two passes add up. */
    private static float[][] twice(CausalLM model, Segment segment) {
        Parameter table = model.network().inputEmbedding().weight();
        float[] rows = {};
        for (int pass = 0; pass < 2; pass++) {
            ModelInputs inputs = ModelInputs.of(IDS);
            SequenceContext context = model.context(inputs);
            SegmentOutput output = segment.forward(model.inputIds(inputs), context, Segment.Gradients.OF_PARAMETERS);
            rows = output.tensor().to(DType.FLOAT32).toFloatArray();
            float[] gradient = new float[rows.length];
            for (int i = 0; i < gradient.length; i++) {
                gradient[i] = (i % 13 - 6) / 8f;
            }
            output.backward(Tensors.of(gradient, output.tensor().shape())
                    .to(output.tensor().dtype()));
        }
        Tensor gradient = Objects.requireNonNull(table.grad());
        float[] sum = gradient.to(DType.FLOAT32).toFloatArray();
        table.clearGrad();
        return new float[][] {rows, sum};
    }
}
