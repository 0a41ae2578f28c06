package org.finetune4j.cli;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import org.finetune4j.AtomicFiles;

/**
 * Turns the first Ctrl-C (or a polite kill) into a request: the virtual machine waits until the work that was asked to
 * stop has written what it must write.
 */
final class InterruptGuard implements AutoCloseable {

    private static final Set<InterruptGuard> ACTIVE = ConcurrentHashMap.newKeySet();

    private final CountDownLatch done = new CountDownLatch(1);
    private final Thread hook;

    /** @param requestStop called on another thread when the process is asked to end */
    InterruptGuard(Runnable requestStop) {
        this("stopping after this step...", requestStop);
    }

    /**
     * @param notice told to a user who interrupts
     * @param requestStop called on another thread when the process is asked to end
     */
    InterruptGuard(String notice, Runnable requestStop) {
        hook = new Thread(
                () -> {
                    System.err.println(notice);
                    requestStop.run();
                    awaitDone();
                },
                "finetune4j-interrupt");
        ACTIVE.add(this);
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /** Lets an ending process take away half-written files, once guarded work has written its own. */
    static void deleteUnfinishedFilesAtExit() {
        Runtime.getRuntime()
                .addShutdownHook(new Thread(
                        () -> {
                            ACTIVE.forEach(InterruptGuard::awaitDone);
                            AtomicFiles.deleteUnfinished();
                        },
                        "finetune4j-clean-up"));
    }

    private void awaitDone() {
        try {
            done.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        done.countDown();
        ACTIVE.remove(this);
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The process is ending already: the hook is what ends it.
        }
    }
}
