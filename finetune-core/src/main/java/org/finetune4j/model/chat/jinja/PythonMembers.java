package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Members, elements and slices: {@code x.y}, {@code x[y]} and {@code x[a:b:c]}, as Jinja2's sandbox gives them. */
final class PythonMembers {

    private PythonMembers() {}

    /** {@code base.name}: a method or a member, then an element of that name. */
    static @Nullable Object attribute(@Nullable Object base, String name) {
        Object member = member(base, name);
        return member instanceof Undefined ? element(base, name, member) : member;
    }

    /** {@code base[key]}: an element, then a member of that name. */
    static @Nullable Object item(@Nullable Object base, @Nullable Object key, RenderBudget budget) {
        if (base instanceof Undefined missing) {
            throw missing.error();
        }
        if (base instanceof CharSequence text) {
            budget.read(text.length());
        }
        Object known = base instanceof Map && key instanceof PythonTuple ? PythonValues.key(key, budget) : key;
        Undefined missing = missing(base, key);
        Object element = element(base, known, missing);
        return element == missing && key instanceof CharSequence name ? member(base, name.toString()) : element;
    }

    private static Undefined missing(@Nullable Object base, @Nullable Object key) {
        String what = key instanceof CharSequence || key instanceof Number ? "'" + key + "'" : "such element";
        return new Undefined("a '" + PythonValues.typeName(base) + "' has no " + what);
    }

    /** A method or member, but no element. */
    static @Nullable Object member(@Nullable Object base, String name) {
        if (base instanceof Undefined missing) {
            throw missing.error();
        }
        if (base instanceof TemplateNamespace namespace && namespace.members().containsKey(name)) {
            return namespace.members().get(name);
        }
        if (base instanceof LoopState loop) {
            return loop.member(name);
        }
        if (base instanceof Macro macro) {
            return macro.member(name);
        }
        if (base instanceof TemplateFunctions.Cycler cycler) {
            return cycler.member(name);
        }
        if (base instanceof PythonTuple tuple && tuple.names().contains(name)) {
            return tuple.get(tuple.names().indexOf(name));
        }
        if (base != null && PythonMethods.exists(base, name)) {
            return (TemplateCallable) given -> PythonMethods.call(base, name, given);
        }
        if (name.startsWith("__")) {
            throw new UserErrorException("the chat template asks for '" + name + "', which is not known");
        }
        return missing(base, name);
    }

    private static @Nullable Object element(@Nullable Object base, @Nullable Object key, Object otherwise) {
        if (base instanceof Map<?, ?> map) {
            Object known = key instanceof CharSequence || key instanceof Integer ? textOrLong(key) : key;
            boolean isKey = !(known instanceof Map) && (!(known instanceof Collection) || known instanceof PythonTuple);
            return isKey && map.containsKey(known) ? map.get(known) : otherwise;
        }
        if (PythonNumbers.isNumber(key) && !PythonNumbers.isReal(key)) {
            if (base instanceof List<?> list && !(base instanceof PythonMethods.View)) {
                int index = index(PythonNumbers.index(key), list.size());
                return index < 0 ? otherwise : list.get(index);
            }
            if (base instanceof CharSequence characters) {
                String text = characters.toString();
                int index = index(PythonNumbers.index(key), text.codePointCount(0, text.length()));
                return index < 0 ? otherwise : Character.toString(text.codePointAt(text.offsetByCodePoints(0, index)));
            }
        }
        return otherwise;
    }

    private static Object textOrLong(Object key) {
        return key instanceof Integer number ? Long.valueOf(number) : key.toString();
    }

    private static int index(int index, int length) {
        int from = index < 0 ? index + length : index;
        return from >= 0 && from < length ? from : -1;
    }

    /** {@code base[first:behind:by]}. */
    static Object slice(
            @Nullable Object base,
            @Nullable Object first,
            @Nullable Object behind,
            @Nullable Object by,
            RenderBudget budget) {
        if (base instanceof Undefined missing) {
            throw missing.error();
        }
        boolean isList = base instanceof List && !(base instanceof PythonMethods.View);
        if (!isList && !(base instanceof CharSequence)) {
            throw new UserErrorException(
                    "the chat template asks for a slice of a '" + PythonValues.typeName(base) + "'");
        }
        int step = by == null ? 1 : PythonNumbers.index(by);
        if (step == 0) {
            throw new UserErrorException("the chat template asks for a slice with step 0");
        }
        int length = (int) PythonValues.length(base);
        int start = bound(first, step > 0 ? 0 : length - 1, length, step);
        int stop = bound(behind, step > 0 ? length : -1, length, step);
        if (base instanceof CharSequence text) {
            budget.read(text.length());
            return PythonMarkup.like(text, slice(text.toString(), start, stop, step, budget));
        }
        List<?> list = (List<?>) Objects.requireNonNull(base);
        List<@Nullable Object> taken = new ArrayList<>();
        for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
            budget.elements(1);
            taken.add(list.get((int) i));
        }
        return base instanceof PythonTuple ? new PythonTuple(taken) : taken;
    }

    private static String slice(String text, int start, int stop, int step, RenderBudget budget) {
        if (step == 1) {
            int from = text.offsetByCodePoints(0, start);
            String taken = stop <= start ? "" : text.substring(from, text.offsetByCodePoints(from, stop - start));
            budget.write(taken.length());
            return taken;
        }
        budget.write(2L * text.length());
        int[] codePoints = text.codePoints().toArray();
        StringBuilder taken = new StringBuilder();
        for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
            taken.appendCodePoint(codePoints[(int) i]);
        }
        return taken.toString();
    }

    private static int bound(@Nullable Object bound, int otherwise, int length, int step) {
        if (bound == null) {
            return otherwise;
        }
        int index = PythonNumbers.index(bound);
        int from = index < 0 ? index + length : index;
        int lowest = step > 0 ? 0 : -1;
        int highest = step > 0 ? length : length - 1;
        return Math.max(lowest, Math.min(highest, from));
    }
}
