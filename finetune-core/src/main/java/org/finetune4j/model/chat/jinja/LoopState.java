package org.finetune4j.model.chat.jinja;

import java.util.List;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** {@code loop}: where a loop is. */
final class LoopState implements TemplateCallable {

    /** What goes through the elements it is given with the body of the same loop. */
    @FunctionalInterface
    interface Recursion {
        String render(@Nullable Object elements);
    }

    private static final Object NEVER = new Object();

    private final List<@Nullable Object> elements;
    private final int depth;
    private final @Nullable Recursion recursion;
    private int index;
    private @Nullable Object lastChecked = NEVER;
    private boolean broken;
    private boolean continued;

    LoopState(List<@Nullable Object> elements, int depth, @Nullable Recursion recursion) {
        this.elements = elements;
        this.depth = depth;
        this.recursion = recursion;
    }

    void moveTo(int newIndex) {
        index = newIndex;
        continued = false;
    }

    void breakOff() {
        broken = true;
    }

    void goOn() {
        continued = true;
    }

    boolean isBroken() {
        return broken;
    }

    /** Whether the rest of the body is left out. */
    boolean isLeft() {
        return broken || continued;
    }

    @Nullable
    Object member(String name) {
        int length = elements.size();
        return switch (name) {
            case "index" -> (long) index + 1;
            case "index0" -> (long) index;
            case "revindex" -> (long) length - index;
            case "revindex0" -> (long) length - index - 1;
            case "first" -> index == 0;
            case "last" -> index == length - 1;
            case "length" -> (long) length;
            case "depth" -> (long) depth;
            case "depth0" -> (long) depth - 1;
            case "previtem" -> index == 0 ? new Undefined("there is no previous item") : elements.get(index - 1);
            case "nextitem" -> index == length - 1 ? new Undefined("there is no next item") : elements.get(index + 1);
            case "cycle" -> (TemplateCallable) given -> cycled(given.positional());
            case "changed" -> (TemplateCallable) given -> hasChanged(given.positional());
            default -> new Undefined("a loop has no '" + name + "'");
        };
    }

    private @Nullable Object cycled(List<@Nullable Object> arguments) {
        if (arguments.isEmpty()) {
            throw new UserErrorException("the chat template calls 'loop.cycle' without values");
        }
        return arguments.get(index % arguments.size());
    }

    private boolean hasChanged(List<@Nullable Object> arguments) {
        PythonTuple now = new PythonTuple(arguments);
        boolean changed = lastChecked == NEVER || !PythonValues.equal(lastChecked, now);
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
