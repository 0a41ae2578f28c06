package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tokens that samples begin with together lie in a row once, and loss and gradients are those of every sample by itself. */
class SharedBeginningsTest {

    private static final Collator ROWS = new Collator(0, 1);

    /** A beginning, an own part that is not learned, and an answer. */
    private static Sample sample(int[] beginning, int own, int answer, Random random) {
        int[] ids = Arrays.copyOf(beginning, beginning.length + own + answer);
        for (int i = beginning.length; i < ids.length; i++) {
            ids[i] = 5 + random.nextInt(180);
        }
        int[] labels = ids.clone();
        Arrays.fill(labels, 0, beginning.length + own, Sample.IGNORE_INDEX);
        return new Sample(ids, labels);
    }

    /** Two templates that begin alike, in turn, a sample of another kind, and two that are the same. */
    private static List<Sample> samples() {
        Random random = new Random(5);
        int[] one = random.ints(14, 5, 190).toArray();
        int[] other = one.clone();
        for (int i = 9; i < other.length; i++) {
            other[i] = 5 + random.nextInt(180);
        }
        List<Sample> samples = new ArrayList<>();
        samples.add(sample(one, 3, 4, random));
        samples.add(sample(other, 2, 6, random));
        samples.add(sample(new int[0], 5, 3, random));
        samples.add(sample(one, 0, 5, random));
        samples.add(sample(other, 4, 1, random));
        samples.add(sample(one, 1, 2, random));
        samples.add(samples.get(0));
        return samples;
    }

    @ParameterizedTest(name = "{0}, formulas {1}")
    @CsvSource({"llama, true", "qwen3, true", "llama, false", "gpt2, false", "mistral, true"})
    void lossAndGradientsAreThoseOfSamplesByThemselves(String name, boolean formulas) {
        try (CausalLM model = TinyModels.load(name, LoadOptions.defaults());
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Map<String, Parameter> named = new TreeMap<>();
            full.trainableParameters().forEach(parameter -> named.put(parameter.name(), parameter));
            Backpropagation steps = new Backpropagation(model, GradientCheckpointing.none())
                    .with(formulas ? SegmentFactory.installed() : SegmentFactory.autograd());
            Batch apart = ROWS.collate(samples());
            double expected = steps.run(apart.modelInputs(), loss(model, apart));
            Map<String, float[]> gradients = NamedGradients.of(named);
            named.values().forEach(Parameter::clearGrad);
            Batch shared = ROWS.withoutPadding().sharingBeginnings().collate(samples());
            assertEquals(expected, steps.run(shared.modelInputs(), loss(model, shared)), 1e-5);
            NamedGradients.assertSame(gradients, NamedGradients.of(named), 1e-5f);
        }
    }

    private static LanguageModelLoss loss(CausalLM model, Batch batch) {
        return LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens());
    }

    @Test
    void asFewTokensAsPossibleAreLeft() {
        List<SharedBeginnings> groups = SharedBeginnings.of(samples());
        assertEquals(
                List.of(4, 2, 1),
                groups.stream().map(group -> group.samples().size()).toList());
        assertEquals(
                List.of(14, 14, 0),
                groups.stream().map(SharedBeginnings::shared).toList());
        Batch shared = ROWS.withoutPadding().sharingBeginnings().collate(samples());
        int tokens = samples().stream().mapToInt(Sample::length).sum();
        assertEquals(tokens - 4 * 14, shared.sequenceLength());
        assertEquals(samples().stream().mapToInt(Sample::labelledTokens).sum(), shared.labelledTokens());
    }

    /** What is learned is learned as often as it is there; so are rows with positions of their own. */
    @Test
    void whatIsLearnedIsNotShared() {
        int[] ids = IntStream.range(5, 30).toArray();
        Sample learned = new Sample(ids, ids.clone());
        int[] none = ids.clone();
        Arrays.fill(none, 0, 20, Sample.IGNORE_INDEX);
        Sample packed =
                new Sample(ids, none, IntStream.range(0, 25).map(i -> i % 5).toArray(), Map.of());
        for (Sample sample : List.of(learned, packed)) {
            List<SharedBeginnings> groups = SharedBeginnings.of(List.of(sample, sample));
            assertEquals(2, groups.size());
            assertTrue(groups.stream().allMatch(group -> group.shared() == 0));
        }
    }

    @Test
    void aRowSaysByPositionsWhereABranchGoesOn() {
        Random random = new Random(1);
        int[] beginning = random.ints(10, 5, 190).toArray();
        List<Sample> two = List.of(sample(beginning, 0, 2, random), sample(beginning, 1, 1, random));
        Batch batch = ROWS.withoutPadding().sharingBeginnings().collate(two);
        int[] positions =
                IntStream.concat(IntStream.range(0, 12), IntStream.of(10, 11)).toArray();
        assertArrayEquals(positions, batch.positionIds());
        assertEquals(two.get(1).inputIds()[11], batch.labels()[13]);
        assertEquals(Sample.IGNORE_INDEX, batch.labels()[12]);
    }
}
