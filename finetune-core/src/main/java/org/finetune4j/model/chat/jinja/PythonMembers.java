package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
    static @Nullable Object item(@Nullable Object base, @Nullable Object key) {
        if (base instanceof Undefined missing) {
            throw missing.error();
        }
        Undefined missing = missing(base, key);
        Object element = element(base, key, missing);
        return element == missing && key instanceof CharSequence name ? member(base, name.toString()) : element;
    }

    private static Undefined missing(@Nullable Object base, @Nullable Object key) {
        return new Undefined("a '" + PythonValues.typeName(base) + "' has no " + PythonText.repr(key));
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
        if (base instanceof TemplateMacro macro) {
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
            Object known = key instanceof CharSequence ? key.toString() : key;
            return map.containsKey(known) ? map.get(known) : otherwise;
        }
        if (PythonNumbers.isNumber(key) && !PythonNumbers.isReal(key)) {
            if (base instanceof List<?> list && !(base instanceof PythonMethods.View)) {
                int index = index(PythonNumbers.index(key), list.size());
                return index < 0 ? otherwise : list.get(index);
            }
            if (base instanceof CharSequence text) {
                int[] codePoints = text.codePoints().toArray();
                int index = index(PythonNumbers.index(key), codePoints.length);
                return index < 0 ? otherwise : Character.toString(codePoints[index]);
            }
        }
        return otherwise;
    }

    private static int index(int index, int length) {
        int from = index < 0 ? index + length : index;
        return from >= 0 && from < length ? from : -1;
    }

    static Object slice(@Nullable Object base, List<@Nullable Object> bounds) {
        if (base instanceof Undefined missing) {
            throw missing.error();
        }
        List<@Nullable Object> elements;
        if (base instanceof CharSequence || base instanceof List && !(base instanceof PythonMethods.View)) {
            elements = PythonValues.elements(base);
        } else {
            return missing(base, "a slice");
        }
        int step = bounds.size() > 2 && bounds.get(2) != null ? PythonNumbers.index(bounds.get(2)) : 1;
        if (step == 0) {
            throw new UserErrorException("the chat template asks for a slice with step 0");
        }
        int length = elements.size();
        int start = bound(bounds.get(0), step > 0 ? 0 : length - 1, length, step);
        int stop = bound(bounds.get(1), step > 0 ? length : -1, length, step);
        List<@Nullable Object> taken = new ArrayList<>();
        for (int i = start; step > 0 ? i < stop : i > stop; i += step) {
            taken.add(elements.get(i));
        }
        if (base instanceof CharSequence) {
            StringBuilder text = new StringBuilder();
            taken.forEach(text::append);
            return PythonMarkup.like(base, text.toString());
        }
        return base instanceof PythonTuple ? new PythonTuple(taken) : taken;
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
