package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ValueHead;
import org.finetune4j.nn.Weights;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.DirectionalDerivative;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.gradient.PolicyLoss.Outputs;
import org.finetune4j.train.gradient.PolicyLoss.Value;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A loss of log-probabilities, entropies and values, each of which counts. */
class PolicyLossTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");
    private static final double TEMPERATURE = 0.7;
    private static final int HIDDEN = 48;

    private static final Function<Outputs, Value> LOSS = outputs -> {
        int count = outputs.logprobs().size();
        double loss = 0;
        double[][] derivatives = new double[3][count];
        for (int i = 0; i < count; i++) {
            double logprob = outputs.logprobs().values()[i];
            double entropy = outputs.entropies()[i];
            double value = outputs.values()[i];
            loss += Math.sin(i) * logprob + Math.cos(i) * entropy + value * value;
            derivatives[0][i] = Math.sin(i);
            derivatives[1][i] = Math.cos(i);
            derivatives[2][i] = 2 * value;
        }
        return new Value(loss, derivatives[0], derivatives[1], derivatives[2]);
    };

    private final Batch batch = new Collator(0, 1)
            .collate(List.of(new SyntheticSamples(2, 199, 3).get(0), new SyntheticSamples(2, 199, 3).get(1)));

    private static ValueHead head() {
        return new ValueHead(
                Weights.of(new Weights.Source() {
                    @Override
                    public boolean contains(String name) {
                        return true;
                    }

                    @Override
                    public Tensor tensor(String name, Initialization initialization, long[] shape) {
                        return Tensors.full(0.1, DType.FLOAT64, Device.CPU, shape)
                                .unscoped();
                    }
                }),
                HIDDEN,
                0,
                Initialization.ZEROS);
    }

    private PolicyLoss loss(CausalLM model, ValueHead head) {
        return new PolicyLoss(model.network(), batch, 0.5, TEMPERATURE, head, LOSS);
    }

    @Test
    void theGradientIsTheDerivativeOfWhatTheLossSees() {
        try (CausalLM model = CausalLM.load(LLAMA, LoadOptions.defaults().inDoublePrecision());
                AttachedStrategy full = new FullFineTuning().attach(model);
                ValueHead head = head();
                TensorScope scope = TensorScope.open()) {
            head.allParameters().forEach(parameter -> parameter.train(DType.FLOAT64));
            Backpropagation backpropagation = new Backpropagation(model, GradientCheckpointing.none());
            backpropagation.run(batch.modelInputs(), loss(model, head));
            List<Parameter> looked = List.of(
                    model.network().namedParameters().get("lm_head.weight"),
                    model.network().namedParameters().get("model.norm.weight"),
                    model.network().namedParameters().get("model.layers.0.mlp.up_proj.weight"),
                    head.namedParameters().get("summary.weight"),
                    head.namedParameters().get("summary.bias"));
            for (Parameter parameter : looked) {
                DirectionalDerivative.assertIsGradient(
                        parameter, () -> backpropagation.evaluate(batch.modelInputs(), loss(model, head)));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = PolicyLoss.Detail.class,
            names = {"LOGPROBS", "MEASURED_ENTROPIES"})
    void whereTheOutputLayerIsFrozenOneSweepGivesTheGradientOfTwo(PolicyLoss.Detail detail) {
        try (CausalLM model = CausalLM.load(LLAMA, LoadOptions.defaults().inDoublePrecision());
                ValueHead head = head();
                TensorScope scope = TensorScope.open()) {
            List<Parameter> trained = List.of(
                    model.network().namedParameters().get("model.layers.0.mlp.up_proj.weight"),
                    model.network().namedParameters().get("model.norm.weight"),
                    head.namedParameters().get("summary.weight"));
            trained.forEach(parameter -> parameter.train(DType.FLOAT64));
            Backpropagation backpropagation = new Backpropagation(model, GradientCheckpointing.none());
            List<double[]> gradients = new ArrayList<>();
            List<Double> losses = new ArrayList<>();
            for (PolicyLoss.Detail looked : List.of(detail, PolicyLoss.Detail.ENTROPIES)) {
                losses.add(backpropagation.run(
                        batch.modelInputs(),
                        new PolicyLoss(model.network(), batch, 0.5, TEMPERATURE, head, looked, outputs -> {
                            assertEquals(
                                    looked == PolicyLoss.Detail.LOGPROBS
                                            ? 0
                                            : outputs.logprobs().size(),
                                    outputs.entropies().length);
                            return withoutEntropies(outputs);
                        })));
                for (Parameter parameter : trained) {
                    gradients.add(Objects.requireNonNull(parameter.grad()).toDoubleArray());
                    parameter.clearGrad();
                }
            }
            assertEquals(losses.get(0), losses.get(1), 1e-12);
            for (int i = 0; i < trained.size(); i++) {
                assertArrayEquals(gradients.get(trained.size() + i), gradients.get(i), 1e-12);
            }
        }
    }

    private static Value withoutEntropies(Outputs outputs) {
        int count = outputs.logprobs().size();
        double loss = 0;
        double[][] derivatives = new double[2][count];
        for (int i = 0; i < count; i++) {
            double logprob = outputs.logprobs().values()[i];
            double value = outputs.values()[i];
            loss += Math.sin(i) * logprob * logprob + value * value;
            derivatives[0][i] = 2 * Math.sin(i) * logprob;
            derivatives[1][i] = 2 * value;
        }
        return new Value(loss, derivatives[0], new double[0], derivatives[1]);
    }

    @Test
    void whatTheLossSeesIsOfTheDistributionAtTheTemperature() {
        try (CausalLM model = CausalLM.load(LLAMA);
                TensorScope scope = TensorScope.open()) {
            Outputs[] seen = new Outputs[1];
            PolicyLoss loss = new PolicyLoss(model.network(), batch, 1, TEMPERATURE, null, outputs -> {
                seen[0] = outputs;
                return new Value(0, new double[0], new double[0], new double[0]);
            });
            new Backpropagation(model, GradientCheckpointing.none()).evaluate(batch.modelInputs(), loss);
            Tensor all = Functional.logSoftmax(model.logits(batch.modelInputs()).div(TEMPERATURE), -1);
            float[] logprobs = all.contiguous().toFloatArray();
            float[] entropies = all.exp().mul(all).sum(-1, false).neg().toFloatArray();
            for (int i = 0; i < seen[0].entropies().length; i++) {
                TokenLogprobs found = seen[0].logprobs();
                int at = found.rows()[i] * batch.sequenceLength() + found.positions()[i];
                assertEquals(logprobs[(at - 1) * 199 + batch.labels()[at]], found.values()[i], 1e-5);
                assertEquals(entropies[at - 1], seen[0].entropies()[i], 1e-5);
            }
            assertEquals(0, seen[0].values().length);
        }
    }
}
