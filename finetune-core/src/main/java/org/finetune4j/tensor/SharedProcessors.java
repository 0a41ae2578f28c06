package org.finetune4j.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.bytedeco.pytorch.global.torch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the threads inside an operation from spinning while other processes want their processors.
 *
 * <p>libtorch's OpenMP (GNU's) lets a thread that waits for the others of its team spin for some milliseconds before it
 * sleeps. With a processor a thread that is the fastest; but when another process shares one of the processors, the thread
 * there uses up its turn with waiting, is put aside when work comes, and everybody waits for it. Threads that sleep at once get
 * their turn when work comes. Sleeping costs a sixth of the speed on a quiet machine, spinning two thirds on a busy one.
 *
 * <p>GNU's OpenMP reads its policy from the environment once ({@code OMP_WAIT_POLICY}, {@code GOMP_SPINCOUNT}; where a user
 * has set one of them nothing happens here), but all but ceases to spin while its teams have more threads than there are
 * processors. So while others are seen to be busy, idle teams are kept beside the one that works. Nothing else changes, results least of all: the
 * number of threads, on which the order of sums depends, stays as it is. {@code -Dfinetune4j.shared=false} turns it off.
 */
final class SharedProcessors {

    private static final Logger LOG = LoggerFactory.getLogger(SharedProcessors.class);

    private static final long PERIOD_MILLISECONDS = 500;

    /** Others use so much of the processors that our threads need: half of one, for a period. */
    private static final double BUSY = 0.5;

    private static final double QUIET = 0.25;

    /** So many quiet periods in a row end it: a compiler's processes come and go. */
    private static final int QUIET_PERIODS = 4;

    private final int threads;
    private int quiet;
    private boolean shared;

    /**
     * Nothing is known yet: the processors are ours.
     *
     * @param threads how many threads work inside an operation
     */
    SharedProcessors(int threads) {
        this.threads = threads;
    }

    /** Begins to watch, on a thread that ends with the process. */
    static void watch() {
        if (!NativePlatform.isLinux()
                || !Boolean.parseBoolean(System.getProperty("finetune4j.shared", "true"))
                || System.getenv("OMP_WAIT_POLICY") != null
                || System.getenv("GOMP_SPINCOUNT") != null
                || torch.get_num_threads() == 1
                || CpuUse.read() == null) {
            return;
        }
        Thread watcher = new Thread(SharedProcessors::watchForEver, "finetune4j-shared-processors");
        watcher.setDaemon(true);
        watcher.start();
    }

    private static void watchForEver() {
        CpuUse before = CpuUse.read();
        SharedProcessors processors = new SharedProcessors(ThreadCount.current());
        IdleTeams teams = null;
        while (true) {
            try {
                Thread.sleep(PERIOD_MILLISECONDS);
            } catch (InterruptedException e) {
                return;
            }
            CpuUse now = CpuUse.read();
            int threads = ThreadCount.current(); // a configuration may have chosen another number since
            if (threads != processors.threads) {
                processors = new SharedProcessors(threads);
            }
            if (before != null && now != null) {
                boolean shared = threads > 1 && processors.areShared(before, now);
                if (shared && teams == null) {
                    LOG.debug("other processes use our processors: waiting threads sleep");
                    teams = IdleTeams.start(processors.threads, now.processors());
                } else if (!shared && teams != null) {
                    LOG.debug("the processors are ours again: waiting threads spin");
                    teams.close();
                    teams = null;
                }
            }
            before = now;
        }
    }

    /**
     * Judges the time between two readings.
     *
     * @param before the earlier reading
     * @param now the later one
     * @return whether others have worked, now or not long ago, on processors that our threads need
     */
    boolean areShared(CpuUse before, CpuUse now) {
        double wanted = now.othersSince(before) - Math.max(0, now.processors() - threads);
        if (wanted >= BUSY) {
            shared = true;
            quiet = 0;
        } else if (wanted > QUIET) {
            quiet = 0;
        } else if (++quiet >= QUIET_PERIODS) {
            shared = false;
        }
        return shared;
    }

    /** Teams of OpenMP's that have worked once and sleep from then on; they are gone when their first threads end. */
    static final class IdleTeams implements AutoCloseable {

        private final CountDownLatch end = new CountDownLatch(1);
        private final List<Thread> first = new ArrayList<>();

        private IdleTeams() {}

        /**
         * Makes enough teams, beside the one that works, that OpenMP counts more threads than processors.
         *
         * @param threads the threads of a team, at least 2
         * @param processors that this process may use
         * @return the teams, which the caller closes
         */
        static IdleTeams start(int threads, int processors) {
            if (threads < 2) {
                throw new IllegalArgumentException("a team of " + threads + " threads never waits");
            }
            IdleTeams teams = new IdleTeams();
            for (int counted = threads; counted <= processors; counted += threads - 1) {
                Thread thread = new Thread(teams::workOnce, "finetune4j-idle-team");
                thread.setDaemon(true);
                thread.start();
                teams.first.add(thread);
            }
            return teams;
        }

        private void workOnce() {
            try (Tensor numbers =
                            Tensors.zeros(DType.FLOAT32, Device.CPU, 1 << 18).unscoped();
                    Tensor sum = numbers.sum().unscoped()) {
                LOG.trace("idle team of {} has worked: {}", torch.get_num_threads(), sum);
            }
            try {
                end.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        /** How many teams there are. */
        int size() {
            return first.size();
        }

        /** Whether one of the teams is still there. */
        boolean isAlive() {
            return first.stream().anyMatch(Thread::isAlive);
        }

        /** Waits until the teams are gone; for after {@link #close()}. */
        void join() throws InterruptedException {
            for (Thread thread : first) {
                thread.join();
            }
        }

        @Override
        public void close() {
            end.countDown();
        }
    }
}
