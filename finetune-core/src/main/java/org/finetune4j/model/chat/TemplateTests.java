package org.finetune4j.model.chat;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.exptest.ExpTest;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** The tests ({@code x is ...}) whose results differ from Jinja2's in the renderer's own version, or that it lacks. */
final class TemplateTests {

    private TemplateTests() {}

    static List<ExpTest> all() {
        return List.of(
                // In Python a text is a sequence of its characters.
                test("iterable", TemplateTests::isSequence),
                test("sequence", TemplateTests::isSequence),
                test("mapping", value -> value instanceof Map),
                test("string", value -> value instanceof CharSequence),
                test("boolean", value -> value instanceof Boolean),
                test("integer", value -> value instanceof Integer || value instanceof Long),
                test("float", value -> value instanceof Float || value instanceof Double),
                test("number", value -> value instanceof Number || value instanceof Boolean),
                test("true", Boolean.TRUE::equals),
                test("false", Boolean.FALSE::equals));
    }

    private static boolean isSequence(@Nullable Object value) {
        return value instanceof CharSequence || value instanceof Collection || value instanceof Map;
    }

    private static ExpTest test(String name, Predicate<@Nullable Object> predicate) {
        return new ExpTest() {
            @Override
            public String getName() {
                return name;
            }

            @Override
            public boolean evaluate(@Nullable Object value, JinjavaInterpreter interpreter, Object... arguments) {
                return predicate.test(value);
            }
        };
    }
}
