package org.finetune4j.train.offload;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The block whose next use is furthest away gives way (Belady 1966). An optimizer, or a forward pass over layers, uses the
 * same blocks in the same order in every pass: what one pass did is what the next will do. There, letting go of the least
 * recently used block is the worst choice, since it is the one that is needed next: with room for half of the blocks it
 * moves all of them in every pass, and this policy about half.
 *
 * <p>A pass ends when a block of it is used again. A change of the order is followed a pass later.
 *
 * @param <K> what names a block
 */
public final class NextUse<K> implements EvictionPolicy<K> {

    private final Map<K, Integer> forecast = new HashMap<>();
    private final List<K> order = new ArrayList<>();
    private final Map<K, Integer> pass = new HashMap<>();
    private final List<K> passOrder = new ArrayList<>();
    private int position;

    @Override
    public void used(K block) {
        if (pass.containsKey(block)) {
            follow();
        }
        pass.put(block, passOrder.size());
        passOrder.add(block);
        Integer place = forecast.get(block);
        if (place == null) { // new: it takes its place at the end of the forecast
            place = order.size();
            forecast.put(block, place);
            order.add(block);
        }
        position = place;
    }

    /** The pass that ended is the forecast from now on; blocks that it did not use are expected after it. */
    private void follow() {
        List<K> unused =
                order.stream().filter(block -> !pass.containsKey(block)).toList();
        order.clear();
        order.addAll(passOrder);
        order.addAll(unused);
        forecast.clear();
        for (int i = 0; i < order.size(); i++) {
            forecast.put(order.get(i), i);
        }
        pass.clear();
        passOrder.clear();
    }

    @Override
    public K victim(Collection<K> candidates) {
        K furthest = candidates.iterator().next();
        for (K candidate : candidates) {
            if (distance(candidate) > distance(furthest)) {
                furthest = candidate;
            }
        }
        return furthest;
    }

    /** Uses until this one's turn; the one used last is a whole pass away. */
    private int distance(K block) {
        Integer place = forecast.get(block);
        if (place == null) {
            return Integer.MAX_VALUE;
        }
        int steps = Math.floorMod(place - position, order.size());
        return steps == 0 ? order.size() : steps;
    }

    @Override
    public List<K> upcoming(int most) {
        List<K> next = new ArrayList<>();
        for (int i = 1; i < order.size() && next.size() < most; i++) {
            next.add(order.get((position + i) % order.size()));
        }
        return next;
    }
}
