package org.finetune4j.dist.communicator;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** Does operations one after the other on a thread of its own, which begins with the first one. */
final class OperationQueue {

    /** How often a waiting thread looks whether another rank has failed. */
    private static final long LOOK_AROUND_MILLISECONDS = 200;

    private final String name;
    private final LinkedBlockingQueue<Operation> waiting = new LinkedBlockingQueue<>();
    private @Nullable Thread thread;

    /**
     * Nothing is done yet.
     *
     * @param name of the thread
     */
    OperationQueue(String name) {
        this.name = name;
    }

    /**
     * Lets an operation be done after those that were given before it. Once one has failed, later ones fail for its reason.
     *
     * @param what names it in messages
     * @param work what is done
     * @return the operation
     */
    Operation add(String what, Runnable work) {
        Operation operation = new Operation(what, work, false);
        waiting.add(operation);
        if (thread == null) {
            thread = new Thread(this::work, name);
            thread.setDaemon(true);
            thread.start();
        }
        return operation;
    }

    private void work() {
        @Nullable CommunicationException failure = null;
        try (Autograd.Mode mode = Autograd.disabled()) {
            while (true) {
                Operation next = waiting.take();
                failure = next.run(failure);
                if (next.isLast) {
                    return;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // nobody interrupts it but who ends the process
        }
    }

    /**
     * Ends the thread after one more operation, which is done at once where there was none before.
     *
     * @param what names it in messages
     * @param work what is done
     * @return the operation
     */
    Operation end(String what, Runnable work) {
        Operation last = new Operation(what, work, true);
        if (thread == null) {
            last.run(null);
        } else {
            waiting.add(last);
        }
        return last;
    }

    /** Something that is done or not yet. */
    static final class Operation {

        private final String what;
        private final Runnable work;
        private final boolean isLast;
        private final CountDownLatch done = new CountDownLatch(1);
        private volatile @Nullable CommunicationException failure;

        private Operation(String what, Runnable work, boolean isLast) {
            this.what = what;
            this.work = work;
            this.isLast = isLast;
        }

        /** Does it, unless an earlier one has failed; returns why this one or the earlier one did. */
        private @Nullable CommunicationException run(@Nullable CommunicationException earlier) {
            CommunicationException reason = earlier;
            if (reason == null) {
                try (TensorScope scope = TensorScope.open()) {
                    work.run();
                } catch (CommunicationException e) {
                    reason = e;
                } catch (RuntimeException | Error e) {
                    reason = new CommunicationException(what + " failed: " + e);
                    reason.initCause(e);
                }
            }
            failure = reason;
            done.countDown();
            return reason;
        }

        boolean isDone() {
            return done.getCount() == 0;
        }

        /**
         * Waits until it is done.
         *
         * @param lookAround called now and then; may throw
         * @throws InterruptedException when somebody wants this thread to end
         * @throws CommunicationException when it failed
         */
        void await(Runnable lookAround) throws InterruptedException {
            while (!done.await(LOOK_AROUND_MILLISECONDS, TimeUnit.MILLISECONDS)) {
                lookAround.run();
            }
            CommunicationException reason = failure;
            if (reason != null) {
                CommunicationException here = new CommunicationException(String.valueOf(reason.getMessage()));
                here.initCause(reason);
                throw here;
            }
        }
    }
}
