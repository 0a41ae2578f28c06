package org.finetune4j.train.offload;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/** What is near, what moves, and when, with a store that only remembers. */
class MemorySchedulerTest {

    @Test
    void whatFitsIsBroughtInOnceAndStays() {
        Memory memory = new Memory(10);
        MemoryScheduler<String> scheduler = new MemoryScheduler<>(memory, new NextUse<>(), 40, 0);
        pass(scheduler, "a", "b", "c", "d");
        pass(scheduler, "a", "b", "c", "d");
        assertEquals(List.of("+a", "+b", "+c", "+d"), memory.moves);
        assertEquals(40, scheduler.nearBytes());
    }

    @Test
    void theBlockThatIsNeededLastGivesWay() {
        Memory memory = new Memory(10);
        MemoryScheduler<String> scheduler = new MemoryScheduler<>(memory, new NextUse<>(), 30, 0);
        pass(scheduler, "a", "b", "c", "d");
        assertEquals(List.of("+a", "+b", "+c", "-c", "+d"), memory.moves, "c was used last: its turn is furthest away");
    }

    @Test
    void leastRecentlyUsedLetsTheOldestGo() {
        Memory memory = new Memory(10);
        MemoryScheduler<String> scheduler = new MemoryScheduler<>(memory, new LeastRecentlyUsed<>(), 30, 0);
        pass(scheduler, "a", "b", "c", "a", "d");
        assertEquals(List.of("+a", "+b", "+c", "-b", "+d"), memory.moves);
    }

    /** The reason for {@link NextUse}: in a loop, letting go of the least recently used block moves everything. */
    @Test
    void aLoopMovesFewerBlocksByNextUse() {
        assertEquals(10, movesOfOnePass(new LeastRecentlyUsed<>()));
        assertEquals(5, movesOfOnePass(new NextUse<>()), 1);
    }

    /** Blocks that one pass over ten of them brings in, with room for half of them, after three passes. */
    private static long movesOfOnePass(EvictionPolicy<String> policy) {
        MemoryScheduler<String> scheduler = new MemoryScheduler<>(new Memory(10), policy, 50, 0);
        String[] blocks = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
        for (int i = 0; i < 3; i++) {
            pass(scheduler, blocks);
        }
        long before = scheduler.movedIn();
        pass(scheduler, blocks);
        return scheduler.movedIn() - before;
    }

    @Test
    void theNextBlocksAreBroughtInBeforeTheyAreNeeded() {
        Memory memory = new Memory(10);
        MemoryScheduler<String> scheduler = new MemoryScheduler<>(memory, new NextUse<>(), 20, 1);
        pass(scheduler, "a", "b", "c");
        pass(scheduler, "a", "b", "c");
        for (String block : List.of("a", "b", "c", "a", "b")) {
            assertTrue(memory.near.contains(block), block + " is near before its turn");
            scheduler.use(List.of(block));
        }
    }

    @Test
    void nothingIsBroughtInAheadThatDoesNotFitBesideWhatIsUsed() {
        Memory memory = new Memory(10);
        MemoryScheduler<String> scheduler = new MemoryScheduler<>(memory, new NextUse<>(), 15, 2);
        pass(scheduler, "a", "b", "a", "b");
        assertEquals(List.of("+a", "-a", "+b", "-b", "+a", "-a", "+b"), memory.moves);
    }

    @Test
    void blocksOfOneUseAreNearTogetherEvenBeyondTheAllowance() {
        Memory memory = new Memory(10);
        MemoryScheduler<String> scheduler = new MemoryScheduler<>(memory, new NextUse<>(), 25, 3);
        scheduler.use(List.of("x"));
        scheduler.use(List.of("a", "b", "c"));
        assertEquals(Set.of("a", "b", "c"), memory.near);
    }

    @Test
    void aChangedOrderIsFollowedAPassLater() {
        NextUse<String> policy = new NextUse<>();
        List.of("a", "b", "c", "c", "b", "a", "c").forEach(policy::used);
        assertEquals(List.of("b", "a"), policy.upcoming(5));
        assertEquals("c", policy.victim(List.of("a", "b", "c")), "the block that was used last is a whole pass away");
        assertEquals("a", policy.victim(List.of("a", "b")));
        assertFalse(policy.upcoming(1).contains("a"));
    }

    @Property(tries = 200)
    void theAllowanceHoldsWhateverTheOrder(
            @ForAll @Size(max = 60) List<@IntRange(max = 9) Integer> uses,
            @ForAll @IntRange(min = 10, max = 60) int allowance,
            @ForAll @IntRange(max = 4) int ahead,
            @ForAll boolean byNextUse) {
        Memory memory = new Memory(10);
        EvictionPolicy<String> policy = byNextUse ? new NextUse<>() : new LeastRecentlyUsed<>();
        MemoryScheduler<String> scheduler = new MemoryScheduler<>(memory, policy, allowance, ahead);
        for (int use : uses) {
            scheduler.use(List.of("" + use));
            assertTrue(memory.near.contains("" + use));
            assertTrue(memory.bytes() <= allowance, memory.near + " in " + allowance);
            assertEquals(memory.bytes(), scheduler.nearBytes());
        }
        assertEquals(scheduler.movedIn() - scheduler.movedOut(), memory.near.size());
    }

    private static void pass(MemoryScheduler<String> scheduler, String... blocks) {
        for (String block : blocks) {
            scheduler.use(List.of(block));
        }
    }

    /** Remembers where blocks are, and refuses to move one to where it is. */
    private static final class Memory implements BlockStore<String> {

        final List<String> moves = new ArrayList<>();
        final Set<String> near = new HashSet<>();
        private final long size;

        Memory(long size) {
            this.size = size;
        }

        long bytes() {
            return sum(near);
        }

        private long sum(Collection<String> blocks) {
            return blocks.stream().mapToLong(this::bytes).sum();
        }

        @Override
        public long bytes(String block) {
            return size;
        }

        @Override
        public void bringIn(String block) {
            assertTrue(near.add(block), block + " is brought in twice");
            moves.add("+" + block);
        }

        @Override
        public void moveOut(String block) {
            assertTrue(near.remove(block), block + " is moved out, but is not near");
            moves.add("-" + block);
        }
    }
}
