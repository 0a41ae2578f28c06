package org.finetune4j.train.group;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.steps.StepBatches;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A row of several sequences is as good as its parts. */
class SequencePartsTest {

    /** Samples of which some begin alike, in one row. */
    private static Batch row(boolean sharing, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        int[][] beginnings = {
            random.ints(9, 3, 150).toArray(), random.ints(12, 3, 150).toArray(), {}
        };
        List<Sample> samples = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            int[] beginning = beginnings[random.nextInt(3)];
            int[] ids = Arrays.copyOf(beginning, beginning.length + random.nextInt(3, 11));
            int[] labels = new int[ids.length];
            Arrays.fill(labels, Sample.IGNORE_INDEX);
            for (int at = beginning.length; at < ids.length; at++) {
                ids[at] = random.nextInt(3, 150);
                labels[at] = at > 0 && random.nextInt(4) > 0 ? ids[at] : Sample.IGNORE_INDEX;
            }
            samples.add(new Sample(ids, labels));
        }
        Collator joining = new Collator(0, 1).withoutPadding();
        return (sharing ? joining.sharingBeginnings() : joining).collate(samples);
    }

    private static List<Share.Turn> turns(Batch row, int ranks) {
        StepBatches step = StepBatches.of(List.of(row), new CrossEntropy(LossOptions.crossEntropy()));
        List<Share.Turn> all = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            all.addAll(Share.of(step, rank, ranks).turns());
        }
        return all;
    }

    @ParameterizedTest(name = "on {0} ranks, beginnings shared: {1}")
    @CsvSource({"2, false, 1", "3, true, 2", "4, true, 3", "2, true, 4", "9, true, 5"})
    void partsHaveTheLossAndTheGradientOfTheRow(int ranks, boolean sharing, long seed) {
        Batch row = row(sharing, seed);
        try (CausalLM model = TinyModels.load("llama", LoadOptions.defaults().inDoublePrecision());
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Backpropagation backpropagation = new Backpropagation(model, new GradientCheckpointing(0));
            double scale = 1.0 / row.labelledTokens();
            double expectedLoss =
                    backpropagation.run(row.modelInputs(), LanguageModelLoss.of(model.network(), row, scale));
            Map<String, float[]> expected = NamedGradients.of(model.network().namedParameters());
            model.network().allParameters().forEach(Parameter::clearGrad);
            double loss = 0;
            int labelled = 0;
            for (Share.Turn turn : turns(row, ranks)) {
                Batch part = turn.part().batch();
                if (!turn.idle()) {
                    loss += backpropagation.run(part.modelInputs(), LanguageModelLoss.of(model.network(), part, scale));
                    labelled += part.labelledTokens();
                }
            }
            assertEquals(row.labelledTokens(), labelled);
            assertEquals(expectedLoss, loss, 1e-12);
            NamedGradients.assertSame(
                    expected, NamedGradients.of(model.network().namedParameters()), 1e-7f);
        }
    }

    @Test
    void everyRankHasAboutAsManyTokens() {
        Batch row = new Collator(0, 1)
                .withoutPadding()
                .collate(IntStream.range(0, 8)
                        .mapToObj(i -> new Sample(new int[20], new int[20]))
                        .toList());
        for (Share.Turn turn : turns(row, 4)) {
            assertFalse(turn.idle());
            assertEquals(40, turn.part().batch().realTokens());
        }
    }

    @Test
    void aRankForWhichThereIsNoSequenceRunsTheShortestPiece() {
        Batch row = new Collator(0, 1)
                .withoutPadding()
                .collate(List.of(new Sample(new int[5], new int[5]), new Sample(new int[90], new int[90])));
        List<Share.Turn> idle = turns(row, 5).stream().filter(Share.Turn::idle).toList();
        assertEquals(3, idle.size());
        assertTrue(idle.stream().allMatch(turn -> turn.part().batch().realTokens() == 5));
    }
}
