package org.finetune4j.peft.continual;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.train.SyntheticSamples;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is kept of earlier tasks, to the byte. */
class ReplayBufferTest {

    @TempDir
    Path directory;

    private static Set<Sample> all(SyntheticSamples samples) {
        List<Sample> all = new ArrayList<>();
        for (int i = 0; i < samples.size(); i++) {
            all.add(samples.get(i));
        }
        return Set.copyOf(all);
    }

    @Test
    void theFileNeverHasMoreBytesThanItsBudgetWhateverItIs() throws IOException {
        Path file = directory.resolve(ReplayBuffer.NAME);
        for (long budget = 700; budget < 9_000; budget += 173) {
            ReplayBuffer buffer = new ReplayBuffer(budget);
            for (int task = 0; task < 4; task++) {
                buffer.add("task" + task, new SyntheticSamples(40, 199, task), 7);
                buffer.write(file);
                assertEquals(Files.size(file), buffer.bytes());
                assertTrue(Files.size(file) <= budget, Files.size(file) + " bytes of " + budget);
                assertEquals(task + 1, buffer.counts().size(), "every task is remembered");
                buffer = ReplayBuffer.read(file, budget);
            }
        }
    }

    @Test
    void aBudgetThatIsLargeEnoughKeepsEverythingAndOneByteLessDoesNot() {
        SyntheticSamples samples = new SyntheticSamples(12, 199, 1);
        ReplayBuffer whole = new ReplayBuffer(1 << 20);
        whole.add("a", samples, 7);
        assertEquals(all(samples), Set.copyOf(whole.samples()));
        ReplayBuffer exact = new ReplayBuffer(whole.bytes());
        exact.add("a", samples, 7);
        assertEquals(12, exact.samples().size());
        ReplayBuffer less = new ReplayBuffer(whole.bytes() - 1);
        less.add("a", samples, 7);
        assertEquals(11, less.samples().size());
    }

    @Test
    void laterTasksTakeFromTheSharesOfEarlierOnes() {
        ReplayBuffer buffer = new ReplayBuffer(4000);
        buffer.add("a", new SyntheticSamples(60, 199, 1), 7);
        int alone = buffer.counts().get("a");
        List<Sample> first = buffer.samples();
        buffer.add("b", new SyntheticSamples(60, 199, 2), 7);
        int shared = buffer.counts().get("a");
        assertTrue(shared < alone && shared > alone / 3, shared + " of " + alone);
        assertTrue(first.containsAll(buffer.samples().subList(0, shared)), "nothing new of an old task");
    }

    @Test
    void keptSamplesAreRepeatedUntilTheyAreTheirShare() {
        SyntheticSamples own = new SyntheticSamples(30, 199, 1);
        List<Sample> kept = List.copyOf(all(new SyntheticSamples(4, 199, 2)));
        ReplayedSamples mixed = new ReplayedSamples(own, kept, 0.25);
        assertEquals(40, mixed.size());
        assertEquals(own.get(29), mixed.get(29));
        assertEquals(kept.get(0), mixed.get(30));
        assertEquals(kept.get(1), mixed.get(39));
    }

    @Test
    void aBudgetThatHoldsNoSampleIsRefused() {
        UserErrorException refused = assertThrows(
                UserErrorException.class, () -> new ReplayBuffer(20).add("a", new SyntheticSamples(5, 199, 1), 7));
        assertTrue(refused.getMessage().contains("20 bytes"), refused.getMessage());
    }
}
