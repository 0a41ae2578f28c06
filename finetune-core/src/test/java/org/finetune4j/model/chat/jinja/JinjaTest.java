package org.finetune4j.model.chat.jinja;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.StreamSupport;
import org.finetune4j.Json;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.ChatTemplate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Expressions, statements and white space that were rendered by Jinja2 itself. What the renderer is known to do otherwise is
 * not among them: see docs/status.md.
 */
class JinjaTest {

    private static String render(String source, Map<String, Object> variables) {
        return JinjaTemplate.of("test", source).render(variables, RenderSession.start());
    }

    @Test
    void recordedRenderingsAreThoseOfJinja2() throws IOException {
        JsonNode golden = TestJson.read(Path.of("src/test/resources/goldens/chat/jinja.json"));
        Map<String, Object> variables = Json.toMap(golden.path("variables"));
        assertTrue(golden.path("rows").size() > 100);
        assertAll(StreamSupport.stream(golden.path("rows").spliterator(), false).map(row -> () -> {
            String source = row.path("template").asText();
            assertEquals(row.path("text").asText(), render(source, variables), source);
        }));
    }

    /** Every construct, filter and test that templates of real models use, and what Jinja2 refuses. */
    @Test
    void theLanguageOfRealTemplatesIsThatOfJinja2() throws IOException {
        JsonNode golden = TestJson.read(Path.of("src/test/resources/goldens/chat/jinja-language.json"));
        Map<String, Object> variables = Json.toMap(golden.path("variables"));
        assertTrue(golden.path("rows").size() > 90);
        assertAll(StreamSupport.stream(golden.path("rows").spliterator(), false).map(row -> () -> {
            String source = row.path("template").asText();
            Supplier<String> rendering = () -> JinjaTemplate.withoutMarks(render(source, variables));
            if (row.has("error")) {
                assertThrows(UserErrorException.class, rendering::get, source);
            } else {
                assertEquals(row.path("text").asText(), rendering.get(), source);
            }
        }));
    }

    @Test
    void aLoopWithAConditionCountsWhatIsLeft() {
        String source =
                "{% for k, v in m.items() if k != 'a' %}{{ loop.index }}{{ k }}{{ v }}{{ loop.last }} {% endfor %}";
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("b", 2);
        values.put("a", 1);
        values.put("c", 3);
        assertEquals("1b2False 2c3True ", render(source, Map.of("m", values)));
    }

    /** As recorded from Jinja2: rounds that are left early do not keep a loop from its else, and conditions see what bodies set. */
    @ParameterizedTest
    @CsvSource(delimiterString = "=>", quoteCharacter = '`', textBlock = """
            {% for x in [1] %}{% break %}{% else %}E{% endfor %} => E
            {% for x in [1,2] %}{{ x }}{% continue %}{% else %}E{% endfor %} => 12E
            {% for x in [1,2] %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% else %}E{% endfor %} => 12
            {% for x in [1,2,3] if x > 1 %}{{ x }}{{ loop.length }}{% endfor %} => 2232
            {% set n = namespace(f=true) %}{% for x in [1,2] if n.f %}{{ x }}{% set n.f = false %}{% endfor %} => 1
            {{ dict(**{'a': 1}) }}{{ [1,2][0,1] is undefined }}{% print 3 %} => {'a': 1}True3
            {{ namespace(a=1) }} => <Namespace {'a': 1}>
            {% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(b=2, a=1) }} => 1112
            """)
    void loopsAndCallsAreThoseOfJinja2(String source, String expected) {
        assertEquals(expected, render(source, Map.of()));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{{ 3[1:] }}",
                "{{ (1, 2) < [1, 3] }}",
                "{{ none[:1] }}",
                "{{ {}[:1] }}",
                "{{ 5|truncate(2) }}",
                "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}",
                "{% macro f(a) %}{% endmacro %}{{ f(1, b=2) }}",
                "{{ 0123 }}",
                "{% for x in [1] %}{% generation %}{% break %}{% endgeneration %}{% endfor %}"
            })
    void whatJinja2RefusesIsRefused(String source) {
        assertThrows(UserErrorException.class, () -> render(source, Map.of()));
    }

    @Test
    void aTemplateThatAsksForTheDateGetsTheOneItIsGiven() {
        String source = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}";
        ZonedDateTime now = ZonedDateTime.of(2026, 3, 9, 1, 2, 3, 0, ZoneOffset.UTC);
        assertEquals("09 Mar 2026", JinjaTemplate.of("dated", source).render(Map.of(), RenderSession.at(now)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% include 'other' %}",
                "{% do messages.append(1) %}",
                "{% if true %}x",
                "{{ 'x }}",
                "{% endfor %}",
                "{{ f(*m, **m, 1) }}",
                "{% block a %}{% endblock %}"
            })
    void whatCannotBeReadIsRefusedAtOnce(String source) {
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> ChatTemplate.of("hub/template", source, Map.of()));
        assertTrue(String.valueOf(e.getMessage()).startsWith("hub/template: "), e.getMessage());
    }
}
