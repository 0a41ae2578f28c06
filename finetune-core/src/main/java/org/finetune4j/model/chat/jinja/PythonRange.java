package org.finetune4j.model.chat.jinja;

import java.util.AbstractList;
import java.util.List;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** {@code range(start, stop, step)}: its numbers are made when they are asked for, and it writes itself as such. */
final class PythonRange extends AbstractList<@Nullable Object> {

    /** As in Jinja2's sandbox. */
    private static final int MAX_SIZE = 100_000;

    private final long start;
    private final long stop;
    private final long step;
    private final int size;

    private PythonRange(long start, long stop, long step) {
        this.start = start;
        this.stop = stop;
        this.step = step;
        long count = step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
        if (count > MAX_SIZE) {
            throw new UserErrorException("the chat template counts too far: range has " + count + " numbers");
        }
        this.size = (int) Math.max(0, count);
    }

    /** The range with these bounds: where it stops, where it starts and stops, or these with a step. */
    static PythonRange of(List<@Nullable Object> arguments) {
        List<Integer> bounds = arguments.stream().map(PythonNumbers::index).toList();
        if (bounds.isEmpty() || bounds.size() > 3 || (bounds.size() == 3 && bounds.get(2) == 0)) {
            throw new UserErrorException("the chat template calls 'range' without its bounds, or with step 0");
        }
        return bounds.size() == 1
                ? new PythonRange(0, bounds.get(0), 1)
                : new PythonRange(bounds.get(0), bounds.get(1), bounds.size() > 2 ? bounds.get(2) : 1);
    }

    @Override
    public @Nullable Object get(int index) {
        return start + Objects.checkIndex(index, size) * step;
    }

    @Override
    public int size() {
        return size;
    }

    String repr() {
        return "range(" + start + ", " + stop + (step == 1 ? "" : ", " + step) + ")";
    }
}
