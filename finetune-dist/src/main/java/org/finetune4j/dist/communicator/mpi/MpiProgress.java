package org.finetune4j.dist.communicator.mpi;

import java.util.ArrayList;
import java.util.List;

/** Lets messages between two ranks move on while those compute, on one thread a process that sleeps when there are none. */
final class MpiProgress {

    /** Something that moves when it is asked to. */
    interface Moving {
        /** {@return whether it has come to its end, good or bad} */
        boolean move();
    }

    private final MpiWorld world;
    private final List<Moving> arriving = new ArrayList<>();
    private boolean started;

    MpiProgress(MpiWorld world) {
        this.world = world;
    }

    /** Moves something until its end. */
    synchronized void add(Moving moving) {
        arriving.add(moving);
        if (!started) {
            started = true;
            Thread thread = new Thread(this::work, "messages of rank " + world.rank());
            thread.setDaemon(true);
            thread.start();
        }
        notifyAll();
    }

    private void work() {
        List<Moving> underWay = new ArrayList<>();
        Idle idle = new Idle();
        while (true) {
            synchronized (this) {
                while (underWay.isEmpty() && arriving.isEmpty()) {
                    try {
                        wait();
                    } catch (InterruptedException e) {
                        return;
                    }
                }
                underWay.addAll(arriving);
                arriving.clear();
            }
            if (underWay.removeIf(Moving::move)) {
                idle.reset();
            } else {
                idle.rest();
            }
        }
    }
}
