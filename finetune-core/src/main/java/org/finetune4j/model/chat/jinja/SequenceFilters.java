package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.TemplateFilters.Body;
import org.jspecify.annotations.Nullable;

/** Jinja2's filters on lists and maps. */
final class SequenceFilters {

    private SequenceFilters() {}

    static Map<String, Body> all() {
        Map<String, Body> filters = new HashMap<>();
        filters.put("list", (value, given) -> PythonValues.elements(value, given.budget()));
        filters.put("join", SequenceFilters::join);
        filters.put("first", (value, given) -> first(PythonValues.iterator(value)));
        filters.put("last", (value, given) -> {
            List<@Nullable Object> elements = PythonValues.elements(value, given.budget());
            Collections.reverse(elements);
            return first(elements.iterator());
        });
        filters.put("reverse", SequenceFilters::reverse);
        filters.put("items", SequenceFilters::items);
        filters.put("dictsort", SequenceFilters::dictsort);
        filters.put("sort", SequenceFilters::sort);
        filters.put("unique", SequenceFilters::unique);
        filters.put("min", (value, given) -> extreme(value, given, 1));
        filters.put("max", (value, given) -> extreme(value, given, -1));
        filters.put("sum", SequenceFilters::sum);
        filters.put("batch", SequenceFilters::batch);
        filters.put("groupby", SequenceFilters::groupBy);
        filters.put("map", SequenceFilters::map);
        filters.put("select", (value, given) -> selected(value, given, tester(given), true));
        filters.put("reject", (value, given) -> selected(value, given, tester(given), false));
        filters.put("selectattr", (value, given) -> selected(value, given, attributeTester(given), true));
        filters.put("rejectattr", (value, given) -> selected(value, given, attributeTester(given), false));
        return filters;
    }

    private static @Nullable Object first(Iterator<@Nullable Object> elements) {
        return elements.hasNext() ? elements.next() : new Undefined("there is no element in an empty list");
    }

    private static String join(@Nullable Object value, TemplateArguments given) {
        String separator = PythonText.printed(given.optional(0, "d", ""), given.budget());
        UnaryOperator<@Nullable Object> attribute = attribute(given.optional(1, "attribute", null), given);
        StringBuilder out = new StringBuilder();
        Iterator<@Nullable Object> elements = PythonValues.iterator(value);
        for (boolean first = true; elements.hasNext(); first = false) {
            PythonText.print(first ? "" : separator, out, given.budget());
            given.budget().step();
            PythonText.print(attribute.apply(elements.next()), out, given.budget());
        }
        return out.toString();
    }

    private static Object reverse(@Nullable Object value, TemplateArguments given) {
        if (value instanceof CharSequence text) {
            StringBuilder reversed = new StringBuilder();
            int[] codePoints = text.codePoints().toArray();
            for (int i = codePoints.length - 1; i >= 0; i--) {
                reversed.appendCodePoint(codePoints[i]);
            }
            return reversed.toString();
        }
        List<@Nullable Object> elements = PythonValues.elements(value, given.budget());
        Collections.reverse(elements);
        return new PythonIterator(elements);
    }

    private static Object items(@Nullable Object value, TemplateArguments given) {
        if (value instanceof Map<?, ?> map) {
            given.budget().elements(6L * map.size());
            return new PythonIterator(PythonMethods.items(map));
        }
        if (value instanceof Undefined) {
            return new PythonIterator(List.of());
        }
        throw new UserErrorException("the filter 'items' needs a map, not a '" + PythonValues.typeName(value) + "'");
    }

    private static Object dictsort(@Nullable Object value, TemplateArguments given) {
        if (!(value instanceof Map<?, ?> map)) {
            throw new UserErrorException(
                    "the filter 'dictsort' needs a map, not a '" + PythonValues.typeName(value) + "'");
        }
        boolean exact = given.truth(0, "case_sensitive", false);
        int part = given.has(1, "by") && given.text(1, "by").equals("value") ? 1 : 0;
        given.budget().elements(6L * map.size());
        List<@Nullable Object> pairs = PythonMethods.items(map);
        return sorted(
                pairs,
                given.truth(2, "reverse", false),
                pair -> key(((List<?>) Objects.requireNonNull(pair)).get(part), exact),
                given.budget());
    }

    private static @Nullable Object key(@Nullable Object value, boolean exact) {
        return exact ? value : TemplateTests.folded(value);
    }

    private static List<@Nullable Object> sorted(
            List<@Nullable Object> elements,
            boolean reverse,
            UnaryOperator<@Nullable Object> key,
            RenderBudget budget) {
        // A stable order, backwards too.
        Comparator<@Nullable Object> order = (a, b) -> {
            int compared = PythonValues.compare(key.apply(a), key.apply(b), budget);
            return reverse ? -compared : compared;
        };
        try {
            elements.sort(order);
        } catch (IllegalArgumentException e) {
            throw new UserErrorException("the chat template sorts values whose order contradicts itself", e);
        }
        return elements;
    }

    private static Object sort(@Nullable Object value, TemplateArguments given) {
        boolean exact = given.truth(1, "case_sensitive", false);
        Object attributes = given.optional(2, "attribute", null);
        UnaryOperator<@Nullable Object> key = element -> {
            if (!(attributes instanceof CharSequence names) || names.toString().indexOf(',') < 0) {
                return key(attribute(attributes, given).apply(element), exact);
            }
            List<@Nullable Object> keys = new ArrayList<>();
            for (String name : names.toString().split(",", -1)) {
                keys.add(key(attribute(name, given).apply(element), exact));
            }
            return keys;
        };
        return sorted(
                PythonValues.elements(value, given.budget()), given.truth(0, "reverse", false), key, given.budget());
    }

    private static Object unique(@Nullable Object value, TemplateArguments given) {
        boolean exact = given.truth(0, "case_sensitive", false);
        UnaryOperator<@Nullable Object> attribute = attribute(given.optional(1, "attribute", null), given);
        List<@Nullable Object> seen = new ArrayList<>();
        List<@Nullable Object> unique = new ArrayList<>();
        for (Object element : PythonValues.elements(value, given.budget())) {
            Object key = key(attribute.apply(element), exact);
            if (!PythonValues.contains(seen, key, given.budget())) {
                given.budget().elements(2);
                seen.add(key);
                unique.add(element);
            }
        }
        return new PythonIterator(unique);
    }

    private static @Nullable Object extreme(@Nullable Object value, TemplateArguments given, int sign) {
        boolean exact = given.truth(0, "case_sensitive", false);
        UnaryOperator<@Nullable Object> attribute = attribute(given.optional(1, "attribute", null), given);
        List<@Nullable Object> elements = PythonValues.elements(value, given.budget());
        if (elements.isEmpty()) {
            return new Undefined("there is no element in an empty list");
        }
        Object best = elements.get(0);
        for (Object element : elements) {
            Object key = key(attribute.apply(element), exact);
            if (sign * PythonValues.compare(key, key(attribute.apply(best), exact), given.budget()) < 0) {
                best = element;
            }
        }
        return best;
    }

    private static @Nullable Object sum(@Nullable Object value, TemplateArguments given) {
        Object total = given.optional(1, "start", 0L);
        for (Object element : PythonValues.elements(value, given.budget())) {
            Object part = attribute(given.optional(0, "attribute", null), given).apply(element);
            total = PythonOperators.binary("+", total, part, given.budget());
        }
        return total;
    }

    private static Object batch(@Nullable Object value, TemplateArguments given) {
        int size = PythonNumbers.index(given.required(0, "linecount"));
        Object fill = given.optional(1, "fill_with", null);
        List<@Nullable Object> batches = new ArrayList<>();
        List<@Nullable Object> batch = new ArrayList<>();
        for (Object element : PythonValues.elements(value, given.budget())) {
            if (batch.size() == size) {
                batches.add(batch);
                batch = new ArrayList<>();
            }
            batch.add(element);
        }
        while (fill != null && !batch.isEmpty() && batch.size() < size) {
            given.budget().elements(1);
            batch.add(fill);
        }
        if (!batch.isEmpty()) {
            batches.add(batch);
        }
        return new PythonIterator(batches);
    }

    private static Object groupBy(@Nullable Object value, TemplateArguments given) {
        Object name = given.required(0, "attribute");
        Object otherwise = given.optional(1, "default", null);
        boolean exact = given.truth(2, "case_sensitive", false);
        UnaryOperator<@Nullable Object> attribute = element -> {
            Object found = attribute(name, given).apply(element);
            return found instanceof Undefined && otherwise != null ? otherwise : found;
        };
        List<@Nullable Object> groups = new ArrayList<>();
        List<@Nullable Object> group = new ArrayList<>();
        for (Object element : sorted(
                PythonValues.elements(value, given.budget()),
                false,
                each -> key(attribute.apply(each), exact),
                given.budget())) {
            Object key = attribute.apply(element);
            boolean same = !group.isEmpty()
                    && PythonValues.equal(key(attribute.apply(group.get(0)), exact), key(key, exact), given.budget());
            if (!same) {
                group = new ArrayList<>();
                groups.add(new PythonTuple(Arrays.asList(key, group), List.of("grouper", "list")));
            }
            group.add(element);
        }
        return groups;
    }

    private static Object map(@Nullable Object value, TemplateArguments given) {
        UnaryOperator<@Nullable Object> change;
        if (given.positional().isEmpty()) {
            UnaryOperator<@Nullable Object> attribute = attribute(given.required(0, "attribute"), given);
            Object otherwise = given.optional(1, "default", null);
            change = element -> {
                Object found = attribute.apply(element);
                return found instanceof Undefined && otherwise != null ? otherwise : found;
            };
        } else {
            String filter = given.text(0, "name");
            TemplateFilters.check(filter);
            TemplateArguments rest = given.from(1);
            change = element -> TemplateFilters.apply(filter, element, rest);
        }
        List<@Nullable Object> changed = new ArrayList<>();
        elementsOrNone(value, given).forEach(element -> changed.add(change.apply(element)));
        return new PythonIterator(changed);
    }

    private static Object selected(
            @Nullable Object value, TemplateArguments given, Predicate<@Nullable Object> test, boolean wanted) {
        List<@Nullable Object> left = new ArrayList<>();
        for (Object element : elementsOrNone(value, given)) {
            if (test.test(element) == wanted) {
                left.add(element);
            }
        }
        return new PythonIterator(left);
    }

    /** These filters take what is false, such as None, for an empty list. */
    private static List<@Nullable Object> elementsOrNone(@Nullable Object value, TemplateArguments given) {
        return PythonValues.truth(value) ? PythonValues.elements(value, given.budget()) : new ArrayList<>();
    }

    private static Predicate<@Nullable Object> tester(TemplateArguments given) {
        if (given.positional().isEmpty()) {
            return PythonValues::truth;
        }
        String name = given.text(0, "name");
        TemplateTests.check(name);
        return element -> TemplateTests.test(name, element, given.from(1));
    }

    private static Predicate<@Nullable Object> attributeTester(TemplateArguments given) {
        UnaryOperator<@Nullable Object> attribute = attribute(given.required(0, "attribute"), given);
        Predicate<@Nullable Object> test = tester(given.from(1));
        return element -> test.test(attribute.apply(element));
    }

    /** An element by its name, by {@code a.b} of an element, by its number, or the value itself for null. */
    private static UnaryOperator<@Nullable Object> attribute(@Nullable Object name, TemplateArguments given) {
        if (name == null) {
            return element -> element;
        }
        if (!(name instanceof CharSequence)) {
            return element -> PythonMembers.item(element, name, given.budget());
        }
        List<Object> path = new ArrayList<>();
        given.budget().elements(name.toString().length());
        for (String part : name.toString().split("\\.", -1)) {
            path.add(part.matches("\\d{1,18}") ? Long.valueOf(part) : part);
        }
        return element -> {
            Object found = element;
            for (Object part : path) {
                given.budget().step();
                found = PythonMembers.item(found, part, given.budget());
            }
            return found;
        };
    }
}
