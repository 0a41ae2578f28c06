package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** What Python says of values: truth, equality, order, length, and what they consist of. */
final class PythonValues {

    private PythonValues() {}

    /** Python's name of a type, for messages. */
    static String typeName(@Nullable Object value) {
        if (value == null) {
            return "NoneType";
        }
        if (value instanceof Undefined) {
            return "Undefined";
        }
        if (value instanceof CharSequence) {
            return "str";
        }
        if (value instanceof Boolean) {
            return "bool";
        }
        if (PythonNumbers.isNumber(value)) {
            return PythonNumbers.isReal(value) ? "float" : "int";
        }
        if (value instanceof Map) {
            return "dict";
        }
        return value instanceof PythonTuple ? "tuple" : value instanceof Collection ? "list" : "object";
    }

    static boolean truth(@Nullable Object value) {
        if (value == null || value instanceof Undefined) {
            return false;
        }
        if (value instanceof Boolean truth) {
            return truth;
        }
        if (value instanceof CharSequence text) {
            return text.length() > 0;
        }
        if (value instanceof Collection<?> list) {
            return !list.isEmpty();
        }
        if (value instanceof Map<?, ?> map) {
            return !map.isEmpty();
        }
        return !PythonNumbers.isNumber(value) || PythonNumbers.real(value) != 0;
    }

    static boolean equal(@Nullable Object a, @Nullable Object b, RenderBudget budget) {
        budget.descend();
        boolean equal = isEqual(a, b, budget);
        budget.leave();
        return equal;
    }

    private static boolean isEqual(@Nullable Object a, @Nullable Object b, RenderBudget budget) {
        if (PythonNumbers.isNumber(a) && PythonNumbers.isNumber(b)) {
            return PythonNumbers.compare(Objects.requireNonNull(a), Objects.requireNonNull(b)) == 0;
        }
        if (a instanceof CharSequence left && b instanceof CharSequence right) {
            budget.read(Math.min(left.length(), right.length()));
            return left.toString().equals(right.toString());
        }
        if (a instanceof Map<?, ?> left && b instanceof Map<?, ?> right) {
            if (left.size() != right.size()) {
                return false;
            }
            for (Map.Entry<?, ?> entry : left.entrySet()) {
                if (!right.containsKey(entry.getKey()) || !equal(entry.getValue(), right.get(entry.getKey()), budget)) {
                    return false;
                }
            }
            return true;
        }
        if (a instanceof List<?> left && b instanceof List<?> right) {
            if (left.size() != right.size() || a instanceof PythonTuple != b instanceof PythonTuple) {
                return false;
            }
            for (int i = 0; i < left.size(); i++) {
                if (!equal(left.get(i), right.get(i), budget)) {
                    return false;
                }
            }
            return true;
        }
        return a == b || (a instanceof Undefined && b instanceof Undefined);
    }

    /** Less than, equal to or greater than zero; what has no order is an error, as in Python. */
    static int compare(@Nullable Object a, @Nullable Object b, RenderBudget budget) {
        budget.descend();
        int order = order(a, b, budget);
        budget.leave();
        return order;
    }

    private static int order(@Nullable Object a, @Nullable Object b, RenderBudget budget) {
        if (PythonNumbers.isNumber(a) && PythonNumbers.isNumber(b)) {
            return PythonNumbers.compare(Objects.requireNonNull(a), Objects.requireNonNull(b));
        }
        if (a instanceof CharSequence left && b instanceof CharSequence right) {
            budget.read(Math.min(left.length(), right.length()));
            return compareText(left.toString(), right.toString());
        }
        if (a instanceof List<?> left
                && b instanceof List<?> right
                && a instanceof PythonTuple == b instanceof PythonTuple) {
            for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
                if (!equal(left.get(i), right.get(i), budget)) {
                    return compare(left.get(i), right.get(i), budget);
                }
            }
            return Integer.compare(left.size(), right.size());
        }
        if (a instanceof Undefined missing) {
            throw missing.error();
        }
        if (b instanceof Undefined missing) {
            throw missing.error();
        }
        throw new UserErrorException(
                "the chat template asks for the order of '" + typeName(a) + "' and '" + typeName(b) + "'");
    }

    /** By code points, not by UTF-16 units. */
    private static int compareText(String a, String b) {
        int at = 0;
        while (at < a.length() && at < b.length() && a.charAt(at) == b.charAt(at)) {
            at++;
        }
        if (at == a.length() || at == b.length()) {
            return Integer.compare(a.length(), b.length());
        }
        int start = at > 0 && Character.isSurrogatePair(a.charAt(at - 1), a.charAt(at)) ? at - 1 : at;
        return Integer.compare(a.codePointAt(start), b.codePointAt(start));
    }

    /** {@code element in container}. */
    static boolean contains(@Nullable Object container, @Nullable Object element, RenderBudget budget) {
        if (container instanceof CharSequence text) {
            if (element instanceof CharSequence part) {
                budget.read(text.length() + part.length());
                return new TextSearch(part.toString()).in(text.toString(), 0) >= 0;
            }
            throw new UserErrorException("the chat template looks for a '" + typeName(element) + "' in a text");
        }
        if (container instanceof Map<?, ?> map) {
            return map.containsKey(key(element, budget));
        }
        Iterator<@Nullable Object> candidates = iterator(container);
        while (candidates.hasNext()) {
            if (equal(candidates.next(), element, budget)) {
                return true;
            }
        }
        return false;
    }

    /**
     * A value as the key of a map.
     *
     * @throws UserErrorException when it cannot be one, as a list cannot
     */
    static @Nullable Object key(@Nullable Object value, RenderBudget budget) {
        if (value instanceof CharSequence text) {
            return text.toString();
        }
        if (value instanceof PythonTuple tuple) {
            budget.descend();
            for (Object element : tuple) {
                key(element, budget);
            }
            budget.leave();
            return tuple;
        }
        if (value instanceof Collection || value instanceof Map || value instanceof Undefined) {
            throw new UserErrorException(
                    "the chat template uses a '" + typeName(value) + "' as a key, which it cannot be");
        }
        return value instanceof Integer number ? Long.valueOf(number) : value;
    }

    /** What a loop goes through: the characters of a text, the keys of a map. */
    static Iterator<@Nullable Object> iterator(@Nullable Object value) {
        if (value instanceof Collection<?> list) {
            return nullable(list.iterator());
        }
        if (value instanceof Map<?, ?> map) {
            return nullable(map.keySet().iterator());
        }
        if (value instanceof CharSequence text) {
            return nullable(text.codePoints().mapToObj(Character::toString).iterator());
        }
        if (value instanceof PythonIterator iterator) {
            return iterator;
        }
        if (value instanceof Undefined) {
            return nullable(List.of().iterator());
        }
        throw new UserErrorException(
                "the chat template goes through a value of type '" + typeName(value) + "', which has no elements");
    }

    @SuppressWarnings("unchecked") // elements are only taken out
    private static Iterator<@Nullable Object> nullable(Iterator<?> elements) {
        return (Iterator<@Nullable Object>) elements;
    }

    /** The same as a new list. */
    static List<@Nullable Object> elements(@Nullable Object value, RenderBudget budget) {
        if (value instanceof Collection<?> list) {
            budget.elements(list instanceof PythonRange ? 2L * list.size() : list.size());
            return new ArrayList<>(list);
        }
        List<@Nullable Object> elements = new ArrayList<>();
        Iterator<@Nullable Object> all = iterator(value);
        while (all.hasNext()) {
            budget.elements(1);
            if (value instanceof CharSequence) {
                budget.text(1);
            }
            elements.add(all.next());
        }
        return elements;
    }

    static long length(@Nullable Object value) {
        if (value instanceof CharSequence text) {
            return text.toString().codePointCount(0, text.length());
        }
        if (value instanceof Map<?, ?> map) {
            return map.size();
        }
        if (value instanceof Collection<?> list) {
            return list.size();
        }
        if (value instanceof Undefined) {
            return 0;
        }
        throw new UserErrorException(
                "the chat template asks for the length of a value of type '" + typeName(value) + "'");
    }
}
