package org.finetune4j.model.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ToolCallsTest {

    private static ToolCalls calls(String template) {
        return Objects.requireNonNull(ToolCalls.of(ChatTemplate.named(template, null), Set.of("weather")));
    }

    /** What may be the beginning of a call is no text yet, and neither are the blanks before one. */
    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '`',
            value = {
                "`It rains.`, 9",
                "`It rains. `, 9",
                "`a < b`, 5",
                "`a <`, 1",
                "`a <tool`, 1",
                "`a <tools>`, 9",
                "`a <tool_call>{`, 1",
                "`<tool_call>`, 0",
                "``, 0"
            })
    void textOfAnUnfinishedAnswerWithMarkedCalls(String begun, int length) {
        assertEquals(length, calls("chatml").textLength(begun));
    }

    /** What a call is given may hold the text that ends calls. */
    @Test
    void aCallEndsWhereItsJsonDoes() {
        String call =
                "<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"a</tool_call>b<tool_call>\"}}</tool_call>";
        ToolCalls.Parsed parsed = calls("chatml").parse(call + call).orElseThrow();
        assertEquals(2, parsed.calls().size());
        assertEquals(
                "{\"city\":\"a</tool_call>b<tool_call>\"}",
                parsed.calls().get(1).arguments());
    }

    @Test
    void callsOfAnAnswer() {
        String call = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>";
        ToolCalls.Parsed parsed =
                calls("chatml").parse("Wait.\n" + call + "\n" + call).orElseThrow();
        assertEquals("Wait.", parsed.text());
        assertEquals(
                List.of("weather", "weather"),
                parsed.calls().stream().map(ToolCalls.Call::name).toList());
    }
}
