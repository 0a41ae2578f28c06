package org.finetune4j.rlhf.rollout;

import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.ValueHead;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.PolicyLoss;
import org.jspecify.annotations.Nullable;

/** Asks a model what it says about answers, without dropout and without learning from them. */
final class AnswerReader {

    private static final double[] NONE = new double[0];

    private final AnswerBatches batches;
    private final double temperature;

    AnswerReader(AnswerBatches batches, double temperature) {
        this.batches = batches;
        this.temperature = temperature;
    }

    /** What a model says about answers: an array an answer; no values without a value head. */
    record Reading(double[][] logprobs, double[][] values) {}

    /** @param valueHead null for none */
    Reading read(CausalLM model, List<TrainedAnswer> answers, @Nullable ValueHead valueHead) {
        return read(model, answers, valueHead, PolicyLoss.Detail.LOGPROBS);
    }

    /** What a value head says, without a look at the vocabulary. */
    double[][] values(CausalLM model, List<TrainedAnswer> answers, ValueHead valueHead) {
        return read(model, answers, valueHead, PolicyLoss.Detail.VALUES).values();
    }

    private Reading read(
            CausalLM model, List<TrainedAnswer> answers, @Nullable ValueHead valueHead, PolicyLoss.Detail detail) {
        double[][] logprobs = new double[answers.size()][];
        double[][] values = new double[valueHead == null ? 0 : answers.size()][];
        Backpropagation passes = new Backpropagation(model, GradientCheckpointing.none());
        int start = 0;
        // Without columns: they are what is asked for.
        List<TrainedAnswer> bare = answers.stream()
                .map(answer -> new TrainedAnswer(answer.prompt(), answer.answer(), Map.of()))
                .toList();
        for (Batch batch : batches.of(bare)) {
            int first = start;
            int[] lengths = AnswerRows.lengths(batch);
            start += lengths.length;
            PolicyLoss reader = new PolicyLoss(model.network(), batch, 1, temperature, valueHead, detail, outputs -> {
                put(AnswerRows.split(outputs.logprobs().values(), lengths), logprobs, first);
                if (valueHead != null) {
                    put(AnswerRows.split(outputs.values(), lengths), values, first);
                }
                return new PolicyLoss.Value(0, NONE, NONE, NONE);
            });
            passes.evaluate(batch.modelInputs(), reader);
        }
        return new Reading(logprobs, values);
    }

    private static void put(double[][] some, double[][] all, int first) {
        System.arraycopy(some, 0, all, first, some.length);
    }
}
