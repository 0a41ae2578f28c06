package org.finetune4j.quant;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.CompressedCheckpointFormat;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Quantises what an adapter that was merged into a quantised base made of its weights, and says what that costs. */
public final class Requantization {

    private Requantization() {}

    /**
     * What rounding a weight again changed.
     *
     * @param weight its name
     * @param relativeError the norm of the change in parts of the weight's norm
     */
    public record WeightError(String weight, double relativeError) {}

    /**
     * What all roundings together changed in a model's scores.
     *
     * @param relativeError the norm of the change in parts of the norm of the scores
     * @param divergence Kullback-Leibler divergence of the next token, in nats, mean over the tokens
     * @param sameChoice the share of tokens after which the most probable next one is the same
     */
    public record OutputError(double relativeError, double divergence, double sameChoice) {}

    /**
     * Quantises every weight that is calculated from a quantised one, in the way that one has, one at a time.
     *
     * @param model changed in place
     * @return the weights that were quantised, in the order of the model
     */
    public static List<WeightError> apply(CausalLM model) {
        List<WeightError> errors = new ArrayList<>();
        model.network().namedParameters().forEach((name, parameter) -> {
            CompressedWeight calculated = parameter.compressed();
            if (calculated != null
                    && CompressedCheckpointFormat.holding(calculated).isEmpty()) {
                errors.add(new WeightError(name, quantize(parameter, calculated)));
            }
        });
        return errors;
    }

    private static double quantize(Parameter parameter, CompressedWeight calculated) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor exact = calculated.decompress(DType.FLOAT32);
            CompressedWeight quantised = calculated.recompress(exact);
            double norm = Math.max(exact.norm().item(), Double.MIN_NORMAL);
            double change =
                    exact.sub(quantised.decompress(DType.FLOAT32)).norm().item();
            parameter.replace(quantised);
            return change / norm;
        }
    }

    /**
     * {@return the scores of every token: [tokens, vocabulary], which belongs to the scope}
     *
     * @param model reads the text
     * @param ids of the text
     */
    public static Tensor scores(CausalLM model, int[] ids) {
        try (TensorScope scope = TensorScope.open()) {
            return scope.keep(
                    model.logits(ModelInputs.of(ids)).view(ids.length, -1).to(DType.FLOAT32));
        }
    }

    /**
     * Compares two results of {@link #scores}.
     *
     * @param before [tokens, vocabulary]
     * @param after [tokens, vocabulary]
     * @return how far apart they are
     */
    public static OutputError compare(Tensor before, Tensor after) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor wanted = Functional.logSoftmax(before, 1); // [tokens, vocabulary]
            Tensor found = Functional.logSoftmax(after, 1);
            double divergence =
                    wanted.exp().mul(wanted.sub(found)).sum(1, false).mean().item();
            int[] wantedChoice = choices(wanted);
            int[] foundChoice = choices(found);
            int same = 0;
            for (int i = 0; i < wantedChoice.length; i++) {
                same += wantedChoice[i] == foundChoice[i] ? 1 : 0;
            }
            double relative =
                    before.sub(after).norm().item() / Math.max(before.norm().item(), Double.MIN_NORMAL);
            return new OutputError(relative, Math.max(0, divergence), (double) same / wantedChoice.length);
        }
    }

    private static int[] choices(Tensor scores) {
        long[] indices = Functional.topK(scores, 1).indices().toLongArray();
        int[] choices = new int[indices.length];
        for (int i = 0; i < choices.length; i++) {
            choices[i] = (int) indices[i];
        }
        return choices;
    }
}
