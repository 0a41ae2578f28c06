package org.finetune4j.model.chat.jinja;

import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * The functions that rewritten expressions consist of: Jinja2's operators, as the renderer's own differ. Public only for the
 * renderer, which finds them by reflection.
 */
public final class TemplateRuntime {

    /** Stands in the renderer's context for None, which it takes for nothing. */
    static final Object NONE = new Object();

    /** What the call of a call block gives to the macro. */
    static final String CALLER = "__caller";

    private static final String KEPT = "__kept";

    private TemplateRuntime() {}

    static List<ELFunctionDefinition> functions() {
        return Stream.of(TemplateRuntime.class.getDeclaredMethods())
                .filter(method -> Modifier.isPublic(method.getModifiers()))
                .map(TemplateRuntime::definition)
                .toList();
    }

    private static ELFunctionDefinition definition(Method method) {
        return new ELFunctionDefinition(
                "", "__" + method.getName(), TemplateRuntime.class, method.getName(), method.getParameterTypes());
    }

    private static Context context() {
        return JinjavaInterpreter.getCurrent().getContext();
    }

    static void put(Context context, String name, @Nullable Object value) {
        context.put(name, value == null ? NONE : value);
    }

    static TemplateConstants constants(Context context) {
        return (TemplateConstants) Objects.requireNonNull(context.get(TemplateConstants.NAME));
    }

    public static @Nullable Object constant(int number) {
        return constants(context()).get(number);
    }

    public static @Nullable Object variable(Object name) {
        Object value = context().get(name);
        return value == NONE ? null : value == null ? new Undefined("'" + name + "' is undefined") : value;
    }

    public static Object undefined(Object hint) {
        return new Undefined(String.valueOf(hint));
    }

    public static boolean truth(@Nullable Object value) {
        return PythonValues.truth(value);
    }

    public static boolean not(@Nullable Object value) {
        return !PythonValues.truth(value);
    }

    /** Whether the value is true; {@link #kept} gives it again, without working it out a second time. */
    public static boolean keep(@Nullable Object value) {
        put(context(), KEPT, value);
        return PythonValues.truth(value);
    }

    public static @Nullable Object kept() {
        return variable(KEPT);
    }

    public static @Nullable Object attribute(@Nullable Object base, Object name) {
        return PythonMembers.attribute(base, String.valueOf(name));
    }

    public static @Nullable Object item(@Nullable Object base, @Nullable Object key) {
        return PythonMembers.item(base, key);
    }

    public static Object slice(@Nullable Object base, List<@Nullable Object> bounds) {
        return PythonMembers.slice(base, bounds);
    }

    public static Object tuple(List<@Nullable Object> elements) {
        return new PythonTuple(elements);
    }

    public static Object list(List<@Nullable Object> elements) {
        return new ArrayList<>(elements);
    }

    /** A list among arguments whose elements are arguments. */
    private record Spread(List<@Nullable Object> elements) {}

    public static Object spread(@Nullable Object elements) {
        return new Spread(PythonValues.elements(elements));
    }

    public static Object spreadout(List<@Nullable Object> arguments) {
        List<@Nullable Object> all = new ArrayList<>();
        for (Object argument : arguments) {
            if (argument instanceof Spread spread) {
                all.addAll(spread.elements());
            } else {
                all.add(argument);
            }
        }
        return all;
    }

    public static Object dict(List<@Nullable Object> pairs) {
        Map<@Nullable Object, @Nullable Object> map = new LinkedHashMap<>();
        for (int i = 0; i < pairs.size(); i += 2) {
            map.put(pairs.get(i), pairs.get(i + 1));
        }
        return map;
    }

    public static Object concat(List<@Nullable Object> parts) {
        return parts.stream().map(TemplateRuntime::out).collect(Collectors.joining());
    }

    /** What is printed. */
    public static String out(@Nullable Object value) {
        return value instanceof Undefined ? "" : PythonText.str(value);
    }

    public static Object add(@Nullable Object a, @Nullable Object b) {
        return PythonOperators.binary("+", a, b);
    }

    public static Object sub(@Nullable Object a, @Nullable Object b) {
        return PythonOperators.binary("-", a, b);
    }

    public static Object mul(@Nullable Object a, @Nullable Object b) {
        return PythonOperators.binary("*", a, b);
    }

    public static Object div(@Nullable Object a, @Nullable Object b) {
        return PythonOperators.binary("/", a, b);
    }

    public static Object floordiv(@Nullable Object a, @Nullable Object b) {
        return PythonOperators.binary("//", a, b);
    }

    public static Object mod(@Nullable Object a, @Nullable Object b) {
        return PythonOperators.binary("%", a, b);
    }

    public static Object pow(@Nullable Object a, @Nullable Object b) {
        return PythonOperators.binary("**", a, b);
    }

    public static Object neg(@Nullable Object value) {
        return PythonOperators.signed(value, true);
    }

    public static Object pos(@Nullable Object value) {
        return PythonOperators.signed(value, false);
    }

    public static boolean compare(Object operator, @Nullable Object a, @Nullable Object b) {
        return PythonOperators.compare(String.valueOf(operator), a, b);
    }

    public static @Nullable Object call(
            @Nullable Object function, List<@Nullable Object> arguments, List<String> names) {
        if (function instanceof Undefined missing) {
            throw missing.error();
        }
        if (!(function instanceof TemplateCallable callable)) {
            throw new UserErrorException("the chat template calls a value of type '" + PythonValues.typeName(function)
                    + "', which is no function");
        }
        return callable.call(given("the function", arguments, names));
    }

    /** A call that is given the body of its block. */
    public static @Nullable Object blockcall(
            @Nullable Object function, List<@Nullable Object> arguments, List<String> names) {
        List<@Nullable Object> more = new ArrayList<>(arguments);
        more.add(context().get(CALLER));
        List<String> moreNames = new ArrayList<>(names);
        moreNames.add("caller");
        return call(function, more, moreNames);
    }

    public static @Nullable Object method(
            @Nullable Object base, Object name, List<@Nullable Object> arguments, List<String> names) {
        Object member = PythonMembers.attribute(base, String.valueOf(name));
        if (member instanceof Undefined) {
            throw new UserErrorException("the chat template calls '" + name + "' on a '" + PythonValues.typeName(base)
                    + "', which is not known");
        }
        return call(member, arguments, names);
    }

    public static @Nullable Object filter(
            Object name, @Nullable Object value, List<@Nullable Object> arguments, List<String> names) {
        return TemplateFilters.apply(String.valueOf(name), value, given(name, arguments, names));
    }

    public static boolean is(
            Object name, @Nullable Object value, List<@Nullable Object> arguments, List<String> names) {
        return TemplateTests.test(String.valueOf(name), value, given(name, arguments, names));
    }

    private static TemplateArguments given(Object name, List<@Nullable Object> arguments, List<String> names) {
        int positional = arguments.size() - names.size();
        return new TemplateArguments(String.valueOf(name), arguments.subList(0, positional), named(arguments, names));
    }

    private static Map<String, @Nullable Object> named(List<@Nullable Object> arguments, List<String> names) {
        Map<String, @Nullable Object> named = new LinkedHashMap<>();
        int positional = arguments.size() - names.size();
        for (int i = 0; i < names.size(); i++) {
            named.put(names.get(i), arguments.get(positional + i));
        }
        return named;
    }
}
