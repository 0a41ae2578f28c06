package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.GoldenModels;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The extra losses of routers, back-propagated layer by layer, have the gradients of their formulas over the whole model at once. */
class LoadBalancingLossTest {

    private static final double COEFFICIENT = 5;
    private static final int SEQ = 8;

    @TempDir
    Path directory;

    @ParameterizedTest
    @CsvSource({"0, 5, 0", "1, 5, 0", "2, 5, 0", "0, 0, 3", "0, 5, 3", "2, 5, 3"})
    void gradientsAreThoseOfTheWholeGraph(int checkpointEvery, double balance, double z) throws IOException {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = mixtral(true);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            if (z > 0) { // else they are what the configuration asks for
                model.network().useRouterLosses(balance, z);
            }
            // Without labels only the extra loss is left.
            Batch batch = batch(false);
            LanguageModelLoss nothing = LanguageModelLoss.of(model.network(), batch, 1);
            double loss = new Backpropagation(model, new GradientCheckpointing(checkpointEvery))
                    .run(batch.modelInputs(), nothing::apply);
            Map<String, float[]> actual = takeGradients(model);
            double expectedLoss = wholeGraph(model, batch, balance, z);
            Map<String, float[]> expected = takeGradients(model);
            assertEquals(expectedLoss, loss, 1e-5);
            assertEquals(expected.keySet().stream().sorted().toList(), reached(actual));
            expected.forEach((name, gradient) -> {
                float largest = largest(gradient);
                for (int i = 0; i < gradient.length; i++) {
                    assertEquals(gradient[i], actual.get(name)[i], 1e-4 * largest + 1e-7, name);
                }
            });
            assertTrue(largest(actual.get("model.layers.0.block_sparse_moe.gate.weight")) > 1e-3);
        }
    }

    @Test
    void onlyAConfigurationThatAsksForItAddsTheLossAndOnlyInTraining() throws IOException {
        Batch batch = batch(true);
        double[] training = new double[2];
        double[] evaluation = new double[2];
        for (int asked = 0; asked < 2; asked++) {
            try (TensorScope scope = TensorScope.open();
                    CausalLM model = mixtral(asked == 1);
                    AttachedStrategy full = new FullFineTuning().attach(model)) {
                Backpropagation backpropagation = new Backpropagation(model, GradientCheckpointing.none());
                LossHead head = LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens());
                training[asked] = backpropagation.run(batch.modelInputs(), head);
                evaluation[asked] = backpropagation.evaluate(batch.modelInputs(), head);
                takeGradients(model);
            }
        }
        assertEquals(evaluation[0], training[0], 1e-6);
        assertEquals(evaluation[0], evaluation[1], 1e-6);
        assertTrue(training[1] > training[0] + COEFFICIENT, "the balance of experts is at least 1");
    }

    @Test
    void aTrainingCanAskForThemWhateverTheConfigurationSaysAndTurnThemOff() throws IOException {
        try (CausalLM asks = mixtral(true);
                CausalLM asksNot = mixtral(false)) {
            asks.network().useRouterLosses(0, 0);
            assertFalse(asks.network().loadBalancing().addsToLoss());
            assertTrue(asksNot.network().useRouterLosses(0, 0.5));
            assertTrue(asksNot.network().loadBalancing().addsToLoss());
        }
    }

    @Test
    void aModelWithoutRoutersHasNoneToAdd() {
        try (CausalLM dense = CausalLM.load(GoldenModels.directory("llama"))) {
            assertFalse(dense.network().useRouterLosses(1, 1));
            assertNull(dense.network().loadBalancing());
        }
    }

    private CausalLM mixtral(boolean asked) throws IOException {
        Path source = GoldenModels.directory("mixtral");
        Path model = Files.createDirectories(directory.resolve("asked-" + asked));
        String config = Files.readString(source.resolve("config.json"))
                .replace("\"output_router_logits\": false", "\"output_router_logits\": " + asked)
                .replace("\"router_aux_loss_coef\": 0.02", "\"router_aux_loss_coef\": " + COEFFICIENT);
        Files.writeString(model.resolve("config.json"), config);
        Files.write(model.resolve("model.safetensors"), Files.readAllBytes(source.resolve("model.safetensors")));
        return CausalLM.load(model);
    }

    private static Batch batch(boolean labelled) {
        int[] ids = new int[2 * SEQ];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = 3 + 7 * i;
        }
        byte[] mask = new byte[ids.length];
        Arrays.fill(mask, 0, ids.length - 3, (byte) 1);
        int[] labels = new int[ids.length];
        Arrays.fill(labels, -100);
        if (labelled) {
            System.arraycopy(ids, 0, labels, 0, ids.length - 3);
        }
        return new Batch(2, SEQ, ids, mask, labels, null);
    }

    /** The formula of transformers over the probabilities of all layers, and that of the z-loss over their logits, one graph. */
    private static double wholeGraph(CausalLM model, Batch batch, double balance, double z) {
        List<Tensor> squares = new ArrayList<>();
        List<Tensor> probabilities = new ArrayList<>();
        List<Tensor> chosen = new ArrayList<>();
        try (Autograd.Mode mode = Autograd.enabled()) {
            SequenceContext context = model.context(batch.modelInputs())
                    .withRouterListener((layer, logits, shares, experts) -> {
                        squares.add(logits.exp().sum(1, true).log().square()); // [tokens, 1]
                        probabilities.add(shares);
                        chosen.add(experts);
                    });
            Tensor hidden = model.network().embed(model.inputIds(batch.modelInputs()), context, model.computeDType());
            for (DecoderLayer layer : model.network().layers()) {
                hidden = layer.forward(hidden, context);
            }
            Tensor mask = Tensors.of(batch.attentionMask(), 2L * SEQ, 1).to(DType.FLOAT32);
            Tensor masks = Tensors.cat(List.of(mask, mask), 0); // [layers * tokens, 1]
            double rows = masks.sum().item();
            Tensor meanProbabilities =
                    Tensors.cat(probabilities, 0).mul(masks).sum(0, false).div(rows); // [experts]
            long[] experts = Tensors.cat(chosen, 0).toLongArray();
            float[] real = masks.toFloatArray();
            float[] frequencies = new float[4];
            for (int i = 0; i < experts.length; i++) {
                frequencies[(int) experts[i]] += real[i / 2] / (float) rows;
            }
            Tensor loss = meanProbabilities
                    .mul(Tensors.of(frequencies, 4).to(Device.CPU))
                    .sum()
                    .mul(4 * balance)
                    .add(Tensors.cat(squares, 0).mul(masks).sum().mul(z / rows));
            Autograd.backward(loss);
            return loss.item();
        }
    }

    private static Map<String, float[]> takeGradients(CausalLM model) {
        Map<String, float[]> gradients = new HashMap<>();
        for (Map.Entry<String, Parameter> named :
                model.network().namedParameters().entrySet()) {
            Tensor gradient = named.getValue().grad();
            if (gradient != null && largest(gradient.toFloatArray()) > 0) {
                gradients.put(named.getKey(), gradient.toFloatArray());
            }
            named.getValue().clearGrad();
        }
        return gradients;
    }

    private static List<String> reached(Map<String, float[]> gradients) {
        return gradients.keySet().stream().sorted().toList();
    }

    private static float largest(float[] values) {
        float largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }
}
