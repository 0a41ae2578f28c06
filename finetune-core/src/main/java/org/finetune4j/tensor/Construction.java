package org.finetune4j.tensor;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Something that takes native memory piece by piece: a model that is being loaded, an adapter that is being put onto one.
 * What says that it is owned while the thread's construction is under way is freed when the construction ends without being
 * {@link #complete}, so that an error half-way leaves nothing behind.
 *
 * <pre>{@code
 * try (Construction construction = Construction.begin()) {
 *     return construction.complete(new Network(weights)); // its parameters belong to it from here on
 * }
 * }</pre>
 *
 * A construction inside of another one hands what it completes to that one.
 */
public final class Construction implements AutoCloseable {

    private static final ThreadLocal<@Nullable Construction> INNERMOST = new ThreadLocal<>();

    private final @Nullable Construction parent;
    private final List<Runnable> owned = new ArrayList<>();
    private boolean completed;

    private Construction(@Nullable Construction parent) {
        this.parent = parent;
    }

    /**
     * Begins one on this thread.
     *
     * @return the construction, which the same thread closes
     */
    public static Construction begin() {
        Construction construction = new Construction(INNERMOST.get());
        INNERMOST.set(construction);
        return construction;
    }

    /**
     * Says that the construction of this thread owns something. Without one nothing happens: whoever made it is the owner.
     *
     * @param free frees it; called at most once, and maybe after somebody else has freed it
     */
    public static void own(Runnable free) {
        Construction innermost = INNERMOST.get();
        if (innermost != null) {
            innermost.owned.add(free);
        }
    }

    /**
     * Says that all is done, and gives what was made to the caller.
     *
     * @param <T> what was made
     * @param result what was made
     * @return {@code result}
     */
    public <T> T complete(T result) {
        completed = true;
        return result;
    }

    /** Ends the construction; frees what it owns unless it is complete. */
    @Override
    public void close() {
        if (parent == null) {
            INNERMOST.remove();
        } else {
            INNERMOST.set(parent);
        }
        if (!completed) {
            for (int i = owned.size() - 1; i >= 0; i--) {
                owned.get(i).run();
            }
        } else if (parent != null) {
            parent.owned.addAll(owned);
        }
        owned.clear();
    }
}
