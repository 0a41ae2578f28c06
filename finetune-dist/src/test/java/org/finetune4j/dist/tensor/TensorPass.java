package org.finetune4j.dist.tensor;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.gradient.LossOptions;

/**
 * What one pass over a batch gives: the same for a model and for all shares of it.
 *
 * @param logits of all tokens
 * @param loss of the batch
 * @param gradients whole ones, by name
 */
record TensorPass(float[] logits, double loss, Map<String, float[]> gradients) {

    static final Path GOLDENS = Path.of("../finetune-core/src/test/resources/goldens");

    /** What is added to the cross entropy, so that every sum over words is looked at. */
    private static final LossOptions OPTIONS = new LossOptions(0.1, 0.01);

    static Batch batch(CausalLM model, int number) {
        int words = (int) model.network().inputEmbedding().count();
        SyntheticSamples samples = new SyntheticSamples(8, words, 2);
        List<Sample> rows = new ArrayList<>(List.of(samples.get(2 * number), samples.get(2 * number + 1)));
        return new Collator(0, 1).collate(rows);
    }

    /** Attaches with the same random numbers on all ranks, and goes over two batches. */
    static TensorPass of(CausalLM model, FineTuningStrategy strategy, int checkpointed) {
        AttachedStrategy attached;
        try (RandomGenerator.Use use = RandomGenerator.of(3).use()) {
            attached = strategy.attach(model);
        }
        try (attached;
                TensorScope scope = TensorScope.open()) {
            Backpropagation pass = new Backpropagation(model, new GradientCheckpointing(checkpointed)).withoutDropout();
            double loss = 0;
            for (int number = 0; number < 2; number++) {
                Batch batch = batch(model, number);
                loss += pass.run(
                        batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 0.1 * (number + 1), OPTIONS));
            }
            Map<String, float[]> gradients = new LinkedHashMap<>();
            for (Parameter parameter : attached.trainableParameters()) {
                Tensor gradient = parameter.grad();
                gradients.put(parameter.name(), gradient == null ? new float[0] : whole(parameter, gradient));
            }
            float[] logits =
                    model.logits(batch(model, 0).modelInputs()).contiguous().toFloatArray();
            return new TensorPass(logits, loss, gradients);
        }
    }

    /** The gradient takes the parameter's way into the file. */
    private static float[] whole(Parameter parameter, Tensor gradient) {
        ParameterSlice slice = parameter.slice();
        if (slice == null) {
            return gradient.contiguous().toFloatArray();
        }
        try (Parameter carrier = new Parameter(parameter.name(), gradient.copy()).sliced(slice)) {
            return carrier.whole(DType.FLOAT32).contiguous().toFloatArray();
        }
    }
}
