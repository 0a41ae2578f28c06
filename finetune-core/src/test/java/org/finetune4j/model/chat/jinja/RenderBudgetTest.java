package org.finetune4j.model.chat.jinja;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A template is a program that somebody else wrote: none of them takes unbounded time, memory or stack. */
@Timeout(value = 2, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@Tag("slow")
class RenderBudgetTest {

    private static final String GROW = "{% for i in range(60) %}{% set n.x = ";
    private static final String DEEPEN = "{% set n = namespace(x=1) %}{% for i in range(100000) %}{% set n.x = ";

    /** A twentieth of the usual limits, which are reached in the same way. */
    private static RenderSession session() {
        return RenderSession.limited(2_000_000, 6_000_000);
    }

    private static String render(String source, RenderSession session) {
        return JinjaTemplate.of("hub/t.jinja", source).render(Map.of("messages", List.of()), session);
    }

    private static void assertRefused(String source, String reason) {
        UserErrorException e = assertThrows(UserErrorException.class, () -> render(source, session()));
        String message = String.valueOf(e.getMessage());
        assertTrue(message.startsWith("hub/t.jinja: "), message);
        assertTrue(message.contains("line "), message);
        assertTrue(message.contains(reason), message);
        assertTrue(message.length() < 2000, message);
        assertFalse(message.contains("\n"), message);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}"
                        + "{% endfor %}{% endfor %}{% endfor %}",
                "{% macro f(n) %}{% if n < 40 %}{{ f(n + 1) }}{{ f(n + 1) }}{% endif %}{% endmacro %}{{ f(0) }}",
                "{% for a in [30] recursive %}{% if a %}{{ loop([a - 1, a - 1]) }}{% endif %}{% endfor %}",
                "{% set t = 'a' * 1000000 %}{% for i in range(100000) %}{% if 'b' in t %}{% endif %}{% endfor %}",
                "{% set t = range(100000)|list %}{% for i in range(100000) %}{% if -1 in t %}{% endif %}{% endfor %}",
                "{% set t = 'a' * 1000000 %}{% for i in range(100000) %}{% if t is lower %}{% endif %}{% endfor %}",
                "{% set n = namespace(x=[1], y=[1]) %}" + GROW + "[n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}"
                        + "{{ n.x == n.y }}",
                "{% set n = namespace(x=(1,)) %}" + GROW + "(n.x, n.x) %}{% endfor %}{{ {n.x: 1} }}",
                "{% set n = namespace(x=9**3000) %}{% for i in range(100000) %}{% set y = n.x * n.x %}{% endfor %}",
                "{% set n = namespace(x=[1]) %}" + GROW + "[n.x, n.x] %}{% endfor %}{{ n.x|tojson }}",
                "{{ range(100000)|unique|list }}"
            })
    void workIsCountedInSteps(String source) {
        assertRefused(source, "too many steps");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{{ 'x' * 1000000000 }}",
                "{{ [1] * 1000000000 }}",
                "{{ 'x'|center(1000000000) }}",
                "{{ 'x'.ljust(1000000000) }}",
                "{{ 'x'.zfill(1000000000) }}",
                "{{ 'a\nb'|indent(1000000000) }}",
                "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}",
                "{{ ('a' * 100000).replace('', 'b' * 100000) }}",
                "{{ ('x' * 100000).join(range(100000)|map('string')) }}",
                "{{ '%999999999d' % 1 }}",
                "{{ '%.999999999f' % 1 }}",
                "{{ '{:999999999}'.format('x') }}",
                "{{ [[1]]|tojson(indent=1000000000) }}",
                "{{ [1]|batch(1000000000, 'x')|list }}",
                "{% set x|center(1000000000) %}x{% endset %}",
                "{% set n = namespace(x='x') %}" + GROW + "n.x + n.x %}{% endfor %}",
                "{% set n = namespace(x='x') %}" + GROW + "n.x ~ n.x %}{% endfor %}",
                "{% set n = namespace(x=[1]) %}" + GROW + "n.x + n.x %}{% endfor %}",
                "{% for a in 'x' * 100000 %}{% for b in 'x' * 100000 %}0123456789{% endfor %}{% endfor %}",
                "{% set t = range(100000)|list %}{% for i in range(100000) %}{% set x = t[1:] %}{% endfor %}"
            })
    void textsAndListsAreCountedBeforeTheyAreMade(String source) {
        assertRefused(source, "too much text");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
                "{% macro f(a) %}{{ a(a) }}{% endmacro %}{{ f(f) }}",
                "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
                DEEPEN + "[n.x] %}{% endfor %}{{ n.x }}",
                DEEPEN + "{'a': n.x} %}{% endfor %}{{ n.x|tojson }}",
                DEEPEN + "(n.x,) %}{% endfor %}{{ {n.x: 1} }}"
            })
    void whatIsNestedTooDeeplyIsRefused(String source) {
        assertRefused(source, "nested too deeply");
    }

    @ParameterizedTest
    @CsvSource(quoteCharacter = '`', textBlock = """
            {{ ,(,1,),` }}`
            {{ ,[,1,],` }}`
            {{ ,{1:,1,},` }}`
            {{ ,-,1,``,` }}`
            {{ ,`not `,1,``,` }}`
            {{ ,1+,1,``,` }}`
            {{ ,1**,1,``,` }}`
            {{ 1,|string,``,``,` }}`
            {{ a,.b,``,``,` }}`
            {{ ,`1 if 1 else `,1,``,` }}`
            {{ ,`1 or `,0,``,` }}`
            ``,{% if 1 %},x,{% endif %},``
            {% set ,(,a,),` = 1 %}`
            """)
    void aSourceThatIsNestedTooDeeplyIsRefusedOrRead(
            String before, String opening, String middle, String closing, String after) {
        String source = before + opening.repeat(50_000) + middle + closing.repeat(50_000) + after;
        try {
            render(source, session());
        } catch (UserErrorException e) {
            String message = String.valueOf(e.getMessage());
            assertTrue(message.contains("nested too deeply") || message.contains("not there"), message);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiterString = "=>", quoteCharacter = '`', textBlock = """
            {{ 9**9999**9999 }} => more than 131072 bits
            {% set n = namespace(x=7) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %} => more than 131072 bits
            {{ 9**9999 }} => more than 4300 digits
            {{ '%99999999999d' % 1 }} => a width or precision
            {{ '{99999999999}'.format(1) }} => a width or precision
            {{ range(100001)|length }} => counts too far
            {{ (1e308 * 10)|int }} => infinite
            {{ {[1]: 2} }} => as a key
            {{ cycler() }} => without values
            """)
    void numbersAndKeysHaveLimits(String source, String reason) {
        assertRefused(source, reason);
    }

    @ParameterizedTest
    @CsvSource(delimiterString = "=>", quoteCharacter = '`', textBlock = """
            {{ 1.5|round(1000000000) }} => 1.5
            {{ 15|round(-1000000000) }} => 0
            {{ 'aab'.rsplit('a', 1) }} => ['a', 'b']
            {{ 'x'[99999999999999999999:] }} => ``
            {{ ('a' * 400000).find('a' * 200000 ~ 'b') }} => -1
            {{ ('a' * 400000).rfind('b' ~ 'a' * 200000) }} => -1
            {{ ('ab' * 200000).rsplit('a')|length }} => 200001
            {{ (1e308 * 10)|tojson }} => Infinity
            """)
    void whatLooksLikeMuchWorkIsDoneWhereItIsNot(String source, String expected) {
        assertEquals(expected, render(source, RenderSession.start()));
    }

    @Test
    void anErrorTellsTheLineOfItsTag() {
        String macro = "{% macro f() %}\nx\n{% endmacro %}\n";
        UserErrorException e = assertThrows(
                UserErrorException.class, () -> render(macro + "\n{{ f() }}{{ a.b }}", RenderSession.start()));
        assertEquals(
                "hub/t.jinja: the chat template needs what is not there: 'a' is undefined (line 5)", e.getMessage());
        e = assertThrows(UserErrorException.class, () -> JinjaTemplate.of("hub/t.jinja", "a\n\n{% if %}"));
        assertTrue(String.valueOf(e.getMessage()).startsWith("hub/t.jinja: line 3: "), e.getMessage());
    }

    @Test
    void renderingsThatBelongTogetherAreBoundedAsAWhole() {
        JinjaTemplate template = JinjaTemplate.of(
                "hub/t.jinja", "{% for a in range(1000) %}{% for b in range(300) %}{% endfor %}{% endfor %}");
        RenderSession session = session();
        UserErrorException e = assertThrows(UserErrorException.class, () -> {
            for (int i = 0; i < 100; i++) {
                template.render(Map.of(), session);
            }
        });
        assertTrue(String.valueOf(e.getMessage()).contains("finding the answers"), e.getMessage());
    }

    /** 100,000 tokens in 1,000 messages, gone through by a template that looks back from every message. */
    @Test
    void anOrdinaryConversationStaysFarBelow() {
        List<Map<String, Object>> messages = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            messages.add(Map.of("role", i % 2 == 0 ? "user" : "assistant", "content", "word ".repeat(100)));
        }
        String source = "{% for m in messages %}{% if m.role == 'user' and '</think>' not in m.content %}<u>{% endif %}"
                + "{{ m.content.split('</think>')[-1].strip() | trim }}{% set rest = messages[loop.index0:] %}"
                + "{% if rest | selectattr('role', 'equalto', 'user') | list | length > 9999 %}!{% endif %}{% endfor %}";
        RenderSession session = RenderSession.start();
        String text = JinjaTemplate.of("long", source).render(Map.of("messages", messages), session);
        assertEquals(1000 * 499 + 500 * 3, text.length());
        assertTrue(session.budget().left() > 0.5, "left: " + session.budget().left());
    }
}
