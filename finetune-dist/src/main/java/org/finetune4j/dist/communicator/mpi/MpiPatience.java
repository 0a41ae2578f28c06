package org.finetune4j.dist.communicator.mpi;

import java.util.List;
import org.finetune4j.dist.communicator.CommunicationException;
import org.finetune4j.dist.communicator.watchdog.WaitingRank;

/** How long a rank waits in one operation, and whom it tells. */
final class MpiPatience {

    private static final double FIRST_WORD_SECONDS = 2;

    /** How long the first rank may take to say whose fault it is. */
    private static final double VERDICT_SECONDS = 5;

    private final MpiWorld world;
    private final String group;
    private final long number;
    private final List<Integer> members;
    private final String what;
    private final double patience;
    private final long start = System.nanoTime();
    private double nextWord;
    private boolean isOver;

    MpiPatience(MpiWorld world, String group, long number, List<Integer> members, String what) {
        this.world = world;
        this.group = group;
        this.number = number;
        this.members = members;
        this.what = what;
        this.patience = world.timeout().toMillis() / 1000.0;
        this.nextWord = Math.min(FIRST_WORD_SECONDS, patience);
    }

    /** Throws when the others have failed or have been waited for too long; tells the first rank now and then who is waited for. */
    void look() {
        world.requireAlive(what);
        double seconds = (System.nanoTime() - start) / 1e9;
        if (seconds < nextWord) {
            return;
        }
        isOver |= seconds >= patience;
        world.waiting(new WaitingRank(group, number, members, patience, isOver, what));
        if (seconds >= patience + VERDICT_SECONDS) {
            String reason = "waited " + patience + " s in " + what;
            world.abort(reason);
            throw new CommunicationException("rank " + world.rank() + " " + reason);
        }
        nextWord = isOver ? seconds + VERDICT_SECONDS : Math.min(2 * nextWord, patience);
    }
}
