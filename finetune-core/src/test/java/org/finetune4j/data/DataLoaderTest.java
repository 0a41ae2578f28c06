package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntFunction;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class DataLoaderTest {

    @Test
    void batchesComeInTheSamplersOrder() {
        DataLoader loader = loader(10, 3, IntSample::of);
        BatchSampler sampler = BatchSampler.shuffled(10, 3, 5);
        try (BatchIterator batches = loader.epoch(2)) {
            for (int i = 0; i < 4; i++) {
                assertEquals(i, batches.nextBatch());
                Batch batch = batches.next();
                assertArrayEquals(sampler.batch(2, i), firstTokens(batch));
                assertArrayEquals(loader.load(2, i).inputIds(), batch.inputIds());
            }
            assertFalse(batches.hasNext());
            assertThrows(NoSuchElementException.class, batches::next);
        }
    }

    @Test
    void resumingGivesWhatContinuingWouldHaveGiven() {
        DataLoader loader = loader(20, 3, IntSample::of);
        List<int[]> whole = drain(loader.epoch(1));
        for (int first = 0; first <= loader.batchesPerEpoch(); first++) {
            List<int[]> rest = drain(loader.epoch(1, first));
            assertEquals(whole.size() - first, rest.size());
            for (int i = 0; i < rest.size(); i++) {
                assertArrayEquals(whole.get(first + i), rest.get(i));
            }
        }
        assertThrows(IndexOutOfBoundsException.class, () -> loader.epoch(0, 8));
    }

    @Test
    void aWrongSampleIsReportedInItsPlaceAfterTheBatchesBefore() {
        UserErrorException wrong = new UserErrorException("data.jsonl:3: wrong");
        int[] order = BatchSampler.shuffled(9, 3, 5).batch(0, 1);
        DataLoader loader = loader(9, 3, i -> {
            if (i == order[0]) {
                throw wrong;
            }
            return IntSample.of(i);
        });
        try (BatchIterator batches = loader.epoch(0)) {
            assertEquals(3, batches.next().batchSize());
            assertSame(wrong, assertThrows(UserErrorException.class, batches::next));
            assertFalse(batches.hasNext());
        }
    }

    @Test
    void anErrorOfTheJvmReachesTheCallerToo() {
        OutOfMemoryError error = new OutOfMemoryError();
        try (BatchIterator batches = loader(3, 1, i -> {
                    throw error;
                })
                .epoch(0)) {
            assertSame(error, assertThrows(OutOfMemoryError.class, batches::next));
        }
    }

    @Test
    void onlyAFewBatchesAreMadeAhead() throws InterruptedException {
        AtomicInteger made = new AtomicInteger();
        CountDownLatch ahead = new CountDownLatch(4);
        DataLoader loader = loader(100, 1, i -> {
            made.incrementAndGet();
            ahead.countDown();
            return IntSample.of(i);
        });
        try (BatchIterator batches = loader.epoch(0)) {
            batches.next();
            ahead.await();
            // One taken, two ready, one in the making: and no more, however long training takes.
            Thread.sleep(20);
            assertTrue(made.get() <= 2 + DataLoader.DEFAULT_PREFETCH, "made " + made.get());
        }
    }

    @Test
    void closingEndsTheThreadEvenWhileItWaits() throws InterruptedException {
        CountDownLatch started = new CountDownLatch(1);
        DataLoader loader = loader(100, 1, i -> {
            started.countDown();
            return IntSample.of(i);
        });
        BatchIterator batches = loader.epoch(0);
        started.await();
        batches.close();
        batches.close();
        assertTrue(Thread.getAllStackTraces().keySet().stream()
                .noneMatch(thread -> thread.getName().equals("finetune4j-data-loader")));
        assertFalse(batches.hasNext());
        assertThrows(NoSuchElementException.class, batches::next);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 5})
    void anyNumberOfThreadsGivesTheSameBatchesAndReportsTheFirstWrongSample(int workers) {
        BatchSampler sampler = BatchSampler.shuffled(40, 3, 5);
        int wrong = sampler.batch(0, 9)[0];
        TrainingDataset dataset = dataset(40, i -> {
            // Batches are done in another order than they were begun in.
            LockSupport.parkNanos(i % 4 * 300_000L);
            if (i == wrong) {
                throw new UserErrorException("data.jsonl:3: wrong");
            }
            return IntSample.of(i);
        });
        DataLoader loader = new DataLoader(dataset, sampler, new Collator(0, 1), workers, 2);
        try (BatchIterator batches = loader.epoch(0)) {
            for (int i = 0; i < 9; i++) {
                assertArrayEquals(sampler.batch(0, i), firstTokens(batches.next()));
            }
            assertThrows(UserErrorException.class, batches::next);
            assertFalse(batches.hasNext());
        }
    }

    @Test
    void manyThreadsStayBoundedToo() throws InterruptedException {
        AtomicInteger made = new AtomicInteger();
        CountDownLatch ahead = new CountDownLatch(9);
        TrainingDataset dataset = dataset(100, i -> {
            made.incrementAndGet();
            ahead.countDown();
            return IntSample.of(i);
        });
        DataLoader loader = new DataLoader(dataset, BatchSampler.sequential(100, 1), new Collator(0, 1), 3, 2);
        try (BatchIterator batches = loader.epoch(0)) {
            ahead.await();
            Thread.sleep(20);
            assertEquals(9, made.get());
            batches.next();
        }
    }

    private static DataLoader loader(int size, int batchSize, IntFunction<Sample> samples) {
        return new DataLoader(dataset(size, samples), BatchSampler.shuffled(size, batchSize, 5), new Collator(0, 1));
    }

    private static TrainingDataset dataset(int size, IntFunction<Sample> samples) {
        return new TrainingDataset() {
            @Override
            public int size() {
                return size;
            }

            @Override
            public Sample get(int index) {
                return samples.apply(index);
            }
        };
    }

    private static List<int[]> drain(BatchIterator batches) {
        List<int[]> all = new ArrayList<>();
        try (batches) {
            batches.forEachRemaining(batch -> all.add(batch.inputIds()));
        }
        return all;
    }

    private static int[] firstTokens(Batch batch) {
        int[] first = new int[batch.batchSize()];
        for (int row = 0; row < first.length; row++) {
            first[row] = batch.inputIds()[row * batch.sequenceLength()];
        }
        return first;
    }

    /** Samples that say which they are. */
    private static final class IntSample {
        static Sample of(int i) {
            int[] ids = new int[2 + i % 3];
            ids[0] = i;
            return new Sample(ids, ids.clone());
        }
    }
}
