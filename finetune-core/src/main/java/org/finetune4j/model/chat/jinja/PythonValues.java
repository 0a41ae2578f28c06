package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.Arrays;
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

    static boolean equal(@Nullable Object a, @Nullable Object b) {
        if (PythonNumbers.isNumber(a) && PythonNumbers.isNumber(b)) {
            return PythonNumbers.compare(Objects.requireNonNull(a), Objects.requireNonNull(b)) == 0;
        }
        if (a instanceof CharSequence && b instanceof CharSequence) {
            return a.toString().equals(b.toString());
        }
        if (a instanceof Map<?, ?> left && b instanceof Map<?, ?> right) {
            return left.size() == right.size()
                    && left.entrySet().stream()
                            .allMatch(entry -> right.containsKey(entry.getKey())
                                    && equal(entry.getValue(), right.get(entry.getKey())));
        }
        if (a instanceof List<?> left && b instanceof List<?> right) {
            if (left.size() != right.size() || a instanceof PythonTuple != b instanceof PythonTuple) {
                return false;
            }
            for (int i = 0; i < left.size(); i++) {
                if (!equal(left.get(i), right.get(i))) {
                    return false;
                }
            }
            return true;
        }
        return Objects.equals(a, b);
    }

    /** Less than, equal to or greater than zero; what has no order is an error, as in Python. */
    static int compare(@Nullable Object a, @Nullable Object b) {
        if (PythonNumbers.isNumber(a) && PythonNumbers.isNumber(b)) {
            return PythonNumbers.compare(Objects.requireNonNull(a), Objects.requireNonNull(b));
        }
        if (a instanceof CharSequence left && b instanceof CharSequence right) {
            return compareText(left.toString(), right.toString());
        }
        if (a instanceof List<?> left && b instanceof List<?> right) {
            for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
                if (!equal(left.get(i), right.get(i))) {
                    return compare(left.get(i), right.get(i));
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
        int[] left = a.codePoints().toArray();
        int[] right = b.codePoints().toArray();
        return Arrays.compare(left, right);
    }

    /** {@code element in container}. */
    static boolean contains(@Nullable Object container, @Nullable Object element) {
        if (container instanceof CharSequence text) {
            if (element instanceof CharSequence part) {
                return text.toString().contains(part);
            }
            throw new UserErrorException("the chat template looks for a '" + typeName(element) + "' in a text");
        }
        if (container instanceof Map<?, ?> map) {
            return map.containsKey(element instanceof CharSequence ? element.toString() : element);
        }
        for (Object candidate : elements(container)) {
            if (equal(candidate, element)) {
                return true;
            }
        }
        return false;
    }

    /** What a loop goes through: the characters of a text, the keys of a map. */
    static List<@Nullable Object> elements(@Nullable Object value) {
        List<@Nullable Object> elements = new ArrayList<>();
        if (value instanceof Collection<?> list) {
            elements.addAll(list);
        } else if (value instanceof Map<?, ?> map) {
            elements.addAll(map.keySet());
        } else if (value instanceof CharSequence text) {
            text.codePoints().forEach(codePoint -> elements.add(Character.toString(codePoint)));
        } else if (value instanceof Iterator<?> iterator) {
            iterator.forEachRemaining(elements::add);
        } else if (!(value instanceof Undefined)) {
            throw new UserErrorException(
                    "the chat template goes through a value of type '" + typeName(value) + "', which has no elements");
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
