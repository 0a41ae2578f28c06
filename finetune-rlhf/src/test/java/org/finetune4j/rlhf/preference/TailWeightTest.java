package org.finetune4j.rlhf.preference;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.finetune4j.InputFiles;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.rlhf.pair.TokenizedPair;
import org.finetune4j.rlhf.preference.PairObjective.Likelihood;
import org.finetune4j.rlhf.preference.PairObjective.Term;
import org.finetune4j.rlhf.preference.loss.SigmoidLoss;
import org.finetune4j.train.gradient.LogprobLoss;
import org.finetune4j.train.gradient.TokenLogprobs;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What one answer has more than the other counts less (LD-DPO), as in TRL 1.13's own lines. */
class TailWeightTest {

    private static final JsonNode RECORDED = InputFiles.json(Path.of("src/test/resources/goldens/batch-losses.json"))
            .path("ld");
    private static final double STEP = 1e-5;

    static Stream<JsonNode> cases() {
        return StreamSupport.stream(RECORDED.path("cases").spliterator(), false);
    }

    private static TokenizedExample example(int answer) {
        int[] ids = new int[2 + answer];
        Arrays.fill(ids, 7);
        boolean[] trained = new boolean[ids.length];
        Arrays.fill(trained, 2, ids.length, true);
        return new TokenizedExample(ids, trained, 0);
    }

    /** The recorded pairs in one row, their prompts shared. */
    private static Batch batch(double tailWeight) {
        List<Sample> samples = new ArrayList<>();
        for (int i = 0; i < RECORDED.path("chosen").size(); i++) {
            TokenizedPair pair = new TokenizedPair(
                    example(RECORDED.path("chosen").path(i).size()),
                    example(RECORDED.path("rejected").path(i).size()));
            samples.add(new PairSampler(true, false, tailWeight)
                    .sample(pair)
                    .with(PreferenceColumns.REFERENCE, 0, -4 - i, -5));
        }
        return new Collator(0, 1).withoutPadding().collate(samples);
    }

    private static TokenLogprobs logprobs(double moved, int token) {
        List<Double> values = new ArrayList<>();
        for (int i = 0; i < RECORDED.path("chosen").size(); i++) {
            RECORDED.path("chosen").path(i).forEach(value -> values.add(value.asDouble()));
            RECORDED.path("rejected").path(i).forEach(value -> values.add(value.asDouble()));
        }
        values.set(token, values.get(token) + moved);
        return new TokenLogprobs(
                new int[values.size()],
                new int[values.size()],
                values.stream().mapToDouble(value -> value).toArray());
    }

    @ParameterizedTest
    @MethodSource("cases")
    void logProbabilitiesOfAnswersAreThoseOfTrl(JsonNode recorded) {
        double[] sums =
                AnswerTokens.of(batch(recorded.path("ld_alpha").asDouble())).sums(logprobs(0, 0));
        for (int i = 0; i < RECORDED.path("chosen").size(); i++) {
            assertEquals(recorded.path("logps_chosen").path(i).asDouble(), sums[3 * i + 1], 1e-5);
            assertEquals(recorded.path("logps_rejected").path(i).asDouble(), sums[3 * i + 2], 1e-5);
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.4, 1})
    void derivativesAreFiniteDifferencesAndTheLikelihoodHasAllTokens(double tailWeight) {
        PairObjective objective = PairObjective.withReference(
                        List.of(new Term(new SigmoidLoss(0.3), 1)), new Likelihood(0.2, false))
                .withTailWeight(tailWeight);
        Batch batch = batch(tailWeight);
        LogprobLoss.Value value = objective.loss(batch, logprobs(0, 0));
        for (int token = 0; token < value.derivative().length; token++) {
            double above = objective.loss(batch, logprobs(STEP, token)).loss();
            double below = objective.loss(batch, logprobs(-STEP, token)).loss();
            assertEquals((above - below) / (2 * STEP), value.derivative()[token], 1e-6);
        }
    }
}
