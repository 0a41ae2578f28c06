package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** {@code loop}: where a loop is. Looks ahead only as far as it is asked to, as the body may change what comes. */
final class LoopState implements TemplateCallable {

    /** What goes through the elements it is given with the body of the same loop. */
    @FunctionalInterface
    interface Recursion {
        String render(@Nullable Object elements);
    }

    private static final Object NONE_YET = new Object();

    private Iterator<@Nullable Object> elements;
    private final int depth;
    private final RenderBudget budget;
    private final @Nullable Recursion recursion;
    private long length;
    private long index = -1;
    private @Nullable Object previous = NONE_YET;
    private @Nullable Object current = NONE_YET;
    private @Nullable Object following = NONE_YET;
    private @Nullable Object lastChecked = NONE_YET;

    /**
     * A loop before its first round.
     *
     * @param length the number of elements, or -1 where it is not known
     * @param depth how many loops of the same kind it is in, itself included
     */
    LoopState(
            Iterator<@Nullable Object> elements,
            long length,
            int depth,
            RenderBudget budget,
            @Nullable Recursion recursion) {
        this.elements = elements;
        this.length = length;
        this.depth = depth;
        this.budget = budget;
        this.recursion = recursion;
    }

    boolean hasNext() {
        return following != NONE_YET || elements.hasNext();
    }

    /** The next round's element. */
    @Nullable
    Object next() {
        budget.step();
        previous = current;
        current = following != NONE_YET ? following : elements.next();
        following = NONE_YET;
        index++;
        return current;
    }

    private @Nullable Object following() {
        if (following == NONE_YET && elements.hasNext()) {
            following = elements.next();
        }
        return following;
    }

    private long length() {
        if (length < 0) {
            List<@Nullable Object> rest = new ArrayList<>();
            while (elements.hasNext()) {
                budget.elements(1);
                rest.add(elements.next());
            }
            elements = rest.iterator();
            length = index + 1 + (following == NONE_YET ? 0 : 1) + rest.size();
        }
        return length;
    }

    @Nullable
    Object member(String name) {
        return switch (name) {
            case "index" -> index + 1;
            case "index0" -> index;
            case "revindex" -> length() - index;
            case "revindex0" -> length() - index - 1;
            case "first" -> index == 0;
            case "last" -> following() == NONE_YET;
            case "length" -> length();
            case "depth" -> (long) depth;
            case "depth0" -> (long) depth - 1;
            case "previtem" -> previous == NONE_YET ? new Undefined("there is no previous item") : previous;
            case "nextitem" -> following() == NONE_YET ? new Undefined("there is no next item") : following;
            case "cycle" -> (TemplateCallable) given -> cycled(given.positional());
            case "changed" -> (TemplateCallable) given -> hasChanged(given.positional());
            default -> new Undefined("a loop has no '" + name + "'");
        };
    }

    private @Nullable Object cycled(List<@Nullable Object> arguments) {
        if (arguments.isEmpty()) {
            throw new UserErrorException("the chat template calls 'loop.cycle' without values");
        }
        return arguments.get((int) (index % arguments.size()));
    }

    private boolean hasChanged(List<@Nullable Object> arguments) {
        PythonTuple now = new PythonTuple(arguments);
        boolean changed = lastChecked == NONE_YET || !PythonValues.equal(lastChecked, now, budget);
        lastChecked = now;
        return changed;
    }

    @Override
    public Object call(TemplateArguments given) {
        if (recursion == null) {
            throw new UserErrorException("the chat template calls 'loop' in a loop that is not recursive");
        }
        return recursion.render(given.required(0, "iterable"));
    }
}
