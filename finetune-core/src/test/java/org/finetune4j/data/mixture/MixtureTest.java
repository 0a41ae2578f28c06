package org.finetune4j.data.mixture;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DatasetSplit;
import org.finetune4j.data.examples.ConcatenatedExamples;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.ExampleList;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.PlainText;
import org.finetune4j.data.format.PromptCompletion;
import org.junit.jupiter.api.Test;

class MixtureTest {

    @Test
    void withoutWeightsEveryExampleComesOnce() {
        ExampleDataset mixed = Mixture.of(List.of(part("a", 3, null), part("b", 2, null)), 1, 1);
        assertEquals(Map.of("a", 3L, "b", 2L), counts(mixed));
    }

    @Test
    void weightsAreShares() {
        ExampleDataset mixed = Mixture.of(List.of(part("a", 90, 1.0), part("b", 10, 1.0)), 1, 1);
        assertEquals(Map.of("a", 50L, "b", 50L), counts(mixed));
        long distinct = texts(mixed).stream()
                .filter(text -> text.startsWith("b"))
                .distinct()
                .count();
        assertEquals(10, distinct, "a small dataset is repeated in whole rounds");
        assertEquals(
                50,
                texts(mixed).stream()
                        .filter(text -> text.startsWith("a"))
                        .distinct()
                        .count());
    }

    @Test
    void temperatureDrawsSharesTogether() {
        List<Mixture.Part> parts = List.of(part("a", 81, null), part("b", 1, null));
        assertEquals(Map.of("a", 81L, "b", 1L), counts(Mixture.of(parts, 1, 1)));
        assertEquals(9.0, ratio(Mixture.of(parts, 2, 1)), 1.5);
        assertEquals(1.0, ratio(Mixture.of(parts, 1e6, 1)), 0.1);
        assertEquals(texts(Mixture.of(parts, 2, 1)), texts(Mixture.of(parts, 2, 1)), "the seed decides");
    }

    @Test
    void settingsThatContradictEachOtherAreRefused() {
        List<Mixture.Part> half = List.of(part("a", 2, 1.0), part("b", 2, null));
        List<Mixture.Part> weighted = List.of(part("a", 2, 1.0), part("b", 2, 2.0));
        assertThrows(UserErrorException.class, () -> Mixture.of(half, 1, 1));
        assertThrows(UserErrorException.class, () -> Mixture.of(weighted, 2, 1));
        assertThrows(UserErrorException.class, () -> Mixture.of(weighted, 0.5, 1));
        assertThrows(UserErrorException.class, () -> Mixture.of(weighted, Double.NaN, 1));
    }

    @Property
    void sharesAddUp(
            @ForAll @Size(min = 1, max = 6) List<@DoubleRange(min = 0.01, max = 100) Double> weights,
            @ForAll @IntRange(min = 100, max = 5000) int total) {
        double[] shares = weights.stream().mapToDouble(Double::doubleValue).toArray();
        double sum = Arrays.stream(shares).sum();
        int[] counts = Mixture.counts(shares, total);
        for (int i = 0; i < shares.length; i++) {
            assertEquals(shares[i] / sum * total, counts[i], 2, "share " + i);
            assertTrue(counts[i] >= 1);
        }
        assertEquals(total, Arrays.stream(counts).sum(), shares.length);
    }

    @Test
    void capsHoldForTheWholeAndForEachTask() {
        ExampleDataset all = ConcatenatedExamples.of(List.of(examples("a", 50), examples("b", 5)));
        assertEquals(10, Mixture.cap(all, 10, 0, 3).size());
        assertEquals(Map.of("a", 8L, "b", 5L), counts(Mixture.cap(all, 0, 8, 3)));
        assertEquals(9, Mixture.cap(all, 9, 8, 3).size());
        assertEquals(55, Mixture.cap(all, 0, 0, 3).size());
        assertEquals(texts(Mixture.cap(all, 10, 0, 3)), texts(Mixture.cap(all, 10, 0, 3)));
    }

    @Test
    void wholeTasksAreHeldOut() {
        ExampleDataset all = ConcatenatedExamples.of(
                List.of(examples("a", 3), examples("b", 2), examples("c", 4), examples("d", 1)));
        DatasetSplit<ExampleDataset> named = TaskSplit.named(all, List.of("c"));
        assertEquals(Map.of("c", 4L), counts(named.evaluation()));
        assertEquals(Map.of("a", 3L, "b", 2L, "d", 1L), counts(named.train()));
        DatasetSplit<ExampleDataset> random = TaskSplit.random(all, 0.5, 9);
        Set<String> held = counts(random.evaluation()).keySet();
        assertEquals(2, held.size());
        assertTrue(counts(random.train()).keySet().stream().noneMatch(held::contains));
        UserErrorException e = assertThrows(UserErrorException.class, () -> TaskSplit.named(all, List.of("cc")));
        assertTrue(String.valueOf(e.getMessage()).contains("did you mean"), e.getMessage());
        assertThrows(UserErrorException.class, () -> TaskSplit.random(examples("a", 3), 0.5, 9));
    }

    @Test
    void nearDuplicatesGoAndTheFirstStays() {
        String story =
                "the quick brown fox jumps over the lazy dog and runs far away into the deep dark forest at night";
        String task =
                "Translate this sentence into French and keep the register of the original, please, as well as you can.";
        List<Example> examples = List.of(
                new PlainText(story),
                new PlainText(story.replace("fox", "wolf") + " where nobody lives"),
                new PlainText(story.toUpperCase(java.util.Locale.ROOT) + "!"),
                new PlainText(story + " once"),
                new Instruction(task, "un", "one"),
                new Instruction(task, "deux", "two"),
                new Instruction(task, "deux.", "Two"));
        assertArrayEquals(new int[] {0, 1, 4, 5}, NearDuplicates.kept(new ExampleList("x", examples), 0.8));
        assertArrayEquals(
                new int[] {0, 1, 3, 4, 5}, NearDuplicates.kept(new ExampleList("x", examples), 1), "only the equal");
        assertThrows(UserErrorException.class, () -> NearDuplicates.kept(new ExampleList("x", examples), 0));
    }

    @Test
    void manyAlikeAreStillFast() {
        String common = IntStream.range(0, 60).mapToObj(i -> "word" + i).collect(Collectors.joining(" "));
        List<Example> examples = IntStream.range(0, 3000)
                .mapToObj(i -> (Example) new PlainText(common + " " + "a".repeat(1 + i % 7) + i + " end" + i * 31))
                .toList();
        assertTrue(NearDuplicates.kept(new ExampleList("x", examples), 0.99).length > 2900);
    }

    @Test
    void examplesThatShareARunOfWordsWithTheEvaluationGo() {
        ExampleDataset evaluation = new ExampleList(
                "eval",
                List.of(
                        new PlainText("How many legs have two spiders and a cat together in all?"),
                        new PlainText("Who is there?")));
        List<Example> training = new ArrayList<>(List.of(
                new PromptCompletion("Tell me, how many LEGS have two spiders and a cat, together?", "20"),
                new PromptCompletion("How many legs has a cat?", "4"),
                new PromptCompletion("Who is", "there"),
                new PromptCompletion("Knock knock. Who is there?", "Me")));
        assertArrayEquals(new int[] {1, 3}, Contamination.of(evaluation, 8).clean(new ExampleList("train", training)));
        assertArrayEquals(
                new int[] {0, 1, 3}, Contamination.of(evaluation, 12).clean(new ExampleList("train", training)));
        assertThrows(UserErrorException.class, () -> Contamination.of(evaluation, 0));
    }

    private static Mixture.Part part(String name, int size, @org.jspecify.annotations.Nullable Double weight) {
        return new Mixture.Part(examples(name, size), weight);
    }

    private static ExampleDataset examples(String name, int size) {
        return new ExampleList(
                name,
                IntStream.range(0, size)
                        .mapToObj(i -> (Example) new PlainText(name + i))
                        .toList());
    }

    private static Map<String, Long> counts(ExampleDataset examples) {
        return IntStream.range(0, examples.size())
                .mapToObj(examples::task)
                .collect(Collectors.groupingBy(Function.identity(), Collectors.counting()));
    }

    private static double ratio(ExampleDataset examples) {
        Map<String, Long> counts = counts(examples);
        return (double) counts.getOrDefault("a", 0L) / counts.getOrDefault("b", 1L);
    }

    private static List<String> texts(ExampleDataset examples) {
        return IntStream.range(0, examples.size())
                .mapToObj(i -> ((PlainText) examples.get(i)).text())
                .toList();
    }
}
