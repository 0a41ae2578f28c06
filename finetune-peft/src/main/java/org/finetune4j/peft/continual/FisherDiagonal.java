package org.finetune4j.peft.continual;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.objective.CrossEntropy;
import org.jspecify.annotations.Nullable;

/**
 * The diagonal of the empirical Fisher information of an adapter: the mean over samples of the squared gradient of a sample's
 * log-likelihood, which is the sum over its labelled tokens. Measured without dropout.
 */
final class FisherDiagonal {

    private FisherDiagonal() {}

    /**
     * Measures it.
     *
     * @param adapter on the model, trainable; its gradients are cleared
     * @param dataset of the task
     * @param samples that are looked at, all where there are no more
     * @param seed decides which
     * @return by the keys of the adapter's file; the caller closes it
     */
    static Anchor of(CausalLM model, Adapter adapter, TrainingDataset dataset, int samples, long seed) {
        Map<String, Parameter> trained = Anchor.trained(adapter);
        Map<String, Tensor> sums = new LinkedHashMap<>();
        try (TensorScope whole = TensorScope.open()) {
            trained.forEach((key, parameter) ->
                    sums.put(key, Tensors.zeros(DType.FLOAT32, parameter.device(), parameter.shape())));
            Backpropagation backpropagation = new Backpropagation(model, GradientCheckpointing.none()).withoutDropout();
            CrossEntropy likelihood = new CrossEntropy(LossOptions.crossEntropy());
            Collator collator = Collator.of(model);
            int[] chosen = new Random(seed)
                    .ints(0, dataset.size())
                    .distinct()
                    .limit(Math.min(samples, dataset.size()))
                    .toArray();
            try (CausalLM.Entry entry = model.enter()) {
                for (int index : chosen) {
                    trained.values().forEach(Parameter::clearGrad);
                    try (TensorScope scope = TensorScope.open()) {
                        Batch batch = collator.collate(List.of(dataset.get(index)));
                        backpropagation.run(batch.modelInputs(), likelihood.head(model.network(), batch, 1));
                        trained.forEach((key, parameter) -> addSquare(sums.get(key), parameter, chosen.length));
                    }
                }
            } finally {
                trained.values().forEach(Parameter::clearGrad);
            }
            return Anchor.of(adapter, (key, parameter) -> Objects.requireNonNull(sums.get(key)));
        }
    }

    private static void addSquare(@Nullable Tensor sum, Parameter parameter, int count) {
        Tensor gradient = parameter.grad();
        if (sum != null && gradient != null) {
            Tensor exact = gradient.detach().to(DType.FLOAT32);
            sum.addInPlace(exact.mul(exact).mul(1.0 / count));
        }
    }
}
