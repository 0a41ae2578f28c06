package org.finetune4j.train.offload;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Keeps the blocks that are near within an allowance: brings blocks in when they are needed, and those of the near future
 * before, and moves others out by an {@link EvictionPolicy}. It only decides; a {@link BlockStore} moves. Not thread-safe.
 *
 * @param <K> what names a block
 */
public final class MemoryScheduler<K> {

    private final BlockStore<K> store;
    private final EvictionPolicy<K> policy;
    private final long allowance;
    private final int ahead;
    private final Set<K> near = new LinkedHashSet<>();
    private long nearBytes;
    private long movedIn;
    private long movedOut;

    /**
     * Makes a scheduler that has nothing near.
     *
     * @param store the two places
     * @param policy decides which block gives way and which are brought in ahead
     * @param allowance most bytes that may be near; the blocks of one call of {@link #use} always are while they are used
     * @param ahead how many blocks are brought in before they are needed
     */
    public MemoryScheduler(BlockStore<K> store, EvictionPolicy<K> policy, long allowance, int ahead) {
        this.store = store;
        this.policy = policy;
        this.allowance = allowance;
        this.ahead = ahead;
    }

    /**
     * Says that these blocks are used now, together.
     *
     * @param blocks brought near before this returns
     */
    public void use(Collection<K> blocks) {
        long missing = blocks.stream()
                .filter(block -> !near.contains(block))
                .distinct()
                .mapToLong(store::bytes)
                .sum();
        makeRoom(missing, new LinkedHashSet<>(blocks));
        blocks.forEach(this::bringIn);
        blocks.forEach(policy::used);
        bringInAhead(blocks);
    }

    private void bringInAhead(Collection<K> used) {
        Set<K> kept = new LinkedHashSet<>(used);
        for (K next : policy.upcoming(ahead)) {
            kept.add(next);
            if (kept.stream().mapToLong(store::bytes).sum() > allowance) {
                return;
            }
            if (!near.contains(next)) {
                makeRoom(store.bytes(next), kept);
                bringIn(next);
            }
        }
    }

    /** Moves blocks out, but none of {@code kept}, until there is room or nothing is left to move. */
    private void makeRoom(long bytes, Set<K> kept) {
        if (nearBytes + bytes <= allowance) {
            return;
        }
        List<K> candidates = new ArrayList<>(near);
        candidates.removeAll(kept);
        while (nearBytes + bytes > allowance && !candidates.isEmpty()) {
            K victim = policy.victim(candidates);
            candidates.remove(victim);
            near.remove(victim);
            nearBytes -= store.bytes(victim);
            store.moveOut(victim);
            movedOut++;
        }
    }

    private void bringIn(K block) {
        if (near.add(block)) {
            nearBytes += store.bytes(block);
            store.bringIn(block);
            movedIn++;
        }
    }

    /** {@return bytes that are near} */
    public long nearBytes() {
        return nearBytes;
    }

    /** {@return how often a block was brought in so far} */
    public long movedIn() {
        return movedIn;
    }

    /** {@return how often a block was moved out so far} */
    public long movedOut() {
        return movedOut;
    }
}
