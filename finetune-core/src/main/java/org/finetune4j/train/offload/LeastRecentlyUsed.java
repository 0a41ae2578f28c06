package org.finetune4j.train.offload;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The block whose last use is longest ago gives way. It knows nothing of what comes next. */
public final class LeastRecentlyUsed<K> implements EvictionPolicy<K> {

    private final Map<K, Long> lastUse = new HashMap<>();
    private long clock;

    @Override
    public void used(K block) {
        lastUse.put(block, ++clock);
    }

    @Override
    public K victim(Collection<K> candidates) {
        K oldest = candidates.iterator().next();
        for (K candidate : candidates) {
            if (time(candidate) < time(oldest)) {
                oldest = candidate;
            }
        }
        return oldest;
    }

    private long time(K block) {
        return lastUse.getOrDefault(block, 0L);
    }

    @Override
    public List<K> upcoming(int most) {
        return List.of();
    }
}
