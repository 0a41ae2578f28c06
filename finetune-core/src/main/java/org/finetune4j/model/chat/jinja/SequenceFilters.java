package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Predicate;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.TemplateFilters.Body;
import org.jspecify.annotations.Nullable;

/** Jinja2's filters on lists and maps. */
final class SequenceFilters {

    private SequenceFilters() {}

    static Map<String, Body> all() {
        Map<String, Body> filters = new HashMap<>();
        filters.put("list", (value, given) -> PythonValues.elements(value));
        filters.put("join", SequenceFilters::join);
        filters.put("first", (value, given) -> first(PythonValues.elements(value)));
        filters.put("last", (value, given) -> {
            List<@Nullable Object> elements = PythonValues.elements(value);
            Collections.reverse(elements);
            return first(elements);
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
        filters.put("select", (value, given) -> selected(value, tester(given), true));
        filters.put("reject", (value, given) -> selected(value, tester(given), false));
        filters.put("selectattr", (value, given) -> selected(value, attributeTester(given), true));
        filters.put("rejectattr", (value, given) -> selected(value, attributeTester(given), false));
        return filters;
    }

    private static @Nullable Object first(List<@Nullable Object> elements) {
        return elements.isEmpty() ? new Undefined("there is no element in an empty list") : elements.get(0);
    }

    private static String join(@Nullable Object value, TemplateArguments given) {
        Object attribute = given.optional(1, "attribute", null);
        List<@Nullable Object> elements = PythonValues.elements(value);
        if (attribute != null) {
            Function<@Nullable Object, @Nullable Object> named = attribute(attribute);
            List<@Nullable Object> members = new ArrayList<>();
            elements.forEach(element -> members.add(named.apply(element)));
            elements = members;
        }
        return TemplateFilters.joined(elements, TemplateFilters.text(given.optional(0, "d", "")));
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
        List<@Nullable Object> elements = PythonValues.elements(value);
        Collections.reverse(elements);
        return new PythonIterator(elements);
    }

    private static Object items(@Nullable Object value, TemplateArguments given) {
        if (value instanceof Map<?, ?> map) {
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
        List<@Nullable Object> pairs = PythonMethods.items(map);
        return sorted(
                pairs,
                given.truth(2, "reverse", false),
                pair -> key(((List<?>) Objects.requireNonNull(pair)).get(part), exact));
    }

    private static @Nullable Object key(@Nullable Object value, boolean exact) {
        return exact ? value : TemplateTests.folded(value);
    }

    private static List<@Nullable Object> sorted(
            List<@Nullable Object> elements, boolean reverse, Function<@Nullable Object, @Nullable Object> key) {
        // A stable order, backwards too.
        elements.sort((a, b) -> {
            int order = PythonValues.compare(key.apply(a), key.apply(b));
            return reverse ? -order : order;
        });
        return elements;
    }

    private static Object sort(@Nullable Object value, TemplateArguments given) {
        boolean exact = given.truth(1, "case_sensitive", false);
        Object attributes = given.optional(2, "attribute", null);
        return sorted(PythonValues.elements(value), given.truth(0, "reverse", false), element -> {
            if (!(attributes instanceof CharSequence names) || names.toString().indexOf(',') < 0) {
                return key(attribute(attributes).apply(element), exact);
            }
            List<@Nullable Object> keys = new ArrayList<>();
            for (String name : names.toString().split(",", -1)) {
                keys.add(key(attribute(name).apply(element), exact));
            }
            return keys;
        });
    }

    private static Object unique(@Nullable Object value, TemplateArguments given) {
        boolean exact = given.truth(0, "case_sensitive", false);
        Function<@Nullable Object, @Nullable Object> attribute = attribute(given.optional(1, "attribute", null));
        List<@Nullable Object> seen = new ArrayList<>();
        List<@Nullable Object> unique = new ArrayList<>();
        for (Object element : PythonValues.elements(value)) {
            Object key = key(attribute.apply(element), exact);
            if (!PythonValues.contains(seen, key)) {
                seen.add(key);
                unique.add(element);
            }
        }
        return new PythonIterator(unique);
    }

    private static @Nullable Object extreme(@Nullable Object value, TemplateArguments given, int sign) {
        boolean exact = given.truth(0, "case_sensitive", false);
        Function<@Nullable Object, @Nullable Object> attribute = attribute(given.optional(1, "attribute", null));
        List<@Nullable Object> elements = PythonValues.elements(value);
        if (elements.isEmpty()) {
            return new Undefined("there is no element in an empty list");
        }
        Object best = elements.get(0);
        for (Object element : elements) {
            Object key = key(attribute.apply(element), exact);
            if (sign * PythonValues.compare(key, key(attribute.apply(best), exact)) < 0) {
                best = element;
            }
        }
        return best;
    }

    private static @Nullable Object sum(@Nullable Object value, TemplateArguments given) {
        Object total = given.optional(1, "start", 0L);
        for (Object element : PythonValues.elements(value)) {
            Object part = attribute(given.optional(0, "attribute", null)).apply(element);
            total = PythonOperators.binary("+", total, part);
        }
        return total;
    }

    private static Object batch(@Nullable Object value, TemplateArguments given) {
        int size = PythonNumbers.index(given.required(0, "linecount"));
        Object fill = given.optional(1, "fill_with", null);
        List<@Nullable Object> batches = new ArrayList<>();
        List<@Nullable Object> batch = new ArrayList<>();
        for (Object element : PythonValues.elements(value)) {
            if (batch.size() == size) {
                batches.add(batch);
                batch = new ArrayList<>();
            }
            batch.add(element);
        }
        while (fill != null && !batch.isEmpty() && batch.size() < size) {
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
        Function<@Nullable Object, @Nullable Object> attribute = element -> {
            Object found = attribute(name).apply(element);
            return found instanceof Undefined && otherwise != null ? otherwise : found;
        };
        List<@Nullable Object> groups = new ArrayList<>();
        List<@Nullable Object> group = new ArrayList<>();
        for (Object element : sorted(PythonValues.elements(value), false, each -> key(attribute.apply(each), exact))) {
            Object key = attribute.apply(element);
            boolean same =
                    !group.isEmpty() && PythonValues.equal(key(attribute.apply(group.get(0)), exact), key(key, exact));
            if (!same) {
                group = new ArrayList<>();
                groups.add(new PythonTuple(Arrays.asList(key, group), List.of("grouper", "list")));
            }
            group.add(element);
        }
        return groups;
    }

    private static Object map(@Nullable Object value, TemplateArguments given) {
        Function<@Nullable Object, @Nullable Object> change;
        if (given.positional().isEmpty()) {
            Function<@Nullable Object, @Nullable Object> attribute = attribute(given.required(0, "attribute"));
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
        elementsOrNone(value).forEach(element -> changed.add(change.apply(element)));
        return new PythonIterator(changed);
    }

    private static Object selected(@Nullable Object value, Predicate<@Nullable Object> test, boolean wanted) {
        List<@Nullable Object> left = new ArrayList<>();
        for (Object element : elementsOrNone(value)) {
            if (test.test(element) == wanted) {
                left.add(element);
            }
        }
        return new PythonIterator(left);
    }

    /** These filters take what is false, such as None, for an empty list. */
    private static List<@Nullable Object> elementsOrNone(@Nullable Object value) {
        return PythonValues.truth(value) ? PythonValues.elements(value) : new ArrayList<>();
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
        Function<@Nullable Object, @Nullable Object> attribute = attribute(given.required(0, "attribute"));
        Predicate<@Nullable Object> test = tester(given.from(1));
        return element -> test.test(attribute.apply(element));
    }

    /** An element by its name, by {@code a.b} of an element, by its number, or the value itself for null. */
    private static Function<@Nullable Object, @Nullable Object> attribute(@Nullable Object name) {
        if (name == null) {
            return element -> element;
        }
        if (!(name instanceof CharSequence)) {
            return element -> PythonMembers.item(element, name);
        }
        return element -> {
            Object found = element;
            for (String part : name.toString().split("\\.", -1)) {
                found = PythonMembers.item(found, part.matches("\\d+") ? Long.valueOf(part) : (Object) part);
            }
            return found;
        };
    }
}
