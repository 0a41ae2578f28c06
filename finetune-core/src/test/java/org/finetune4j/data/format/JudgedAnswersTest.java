package org.finetune4j.data.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Pairs teach a preference where both answer the same, in words or calls, and differ. */
class JudgedAnswersTest {

    private static PreferencePair pair(String record) {
        JsonNode json = Json.parse(record.replace('\'', '"'), "record");
        return (PreferencePair) new PreferenceFormat().parse(json);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'prompt': 'Q', 'chosen': 'A', 'rejected': 'A'}                        | the same answer",
                "{'prompt': 'Q', 'chosen': '', 'rejected': 'A'}                         | the chosen answer is empty",
                "{'instruction': 'Q', 'chosen': 'A', 'rejected': ' '}                   | the rejected answer is empty",
                "{'chosen': '\\n\\nHuman: Q\\n\\nAssistant: A', 'rejected': '\\n\\nHuman: Q\\n\\nAssistant:'}"
                        + " | the rejected answer is empty",
                "{'chosen': '\\n\\nHuman: Q\\n\\nAssistant: A\\n\\nHuman: R\\n\\nAssistant: B',"
                        + " 'rejected': '\\n\\nHuman: Q\\n\\nAssistant: A\\n\\nHuman: S\\n\\nAssistant: B'}"
                        + " | prompts of 'chosen' and 'rejected' differ",
                "{'chosen': [{'role': 'user', 'content': 'Q'}, {'role': 'assistant', 'content': 'A'}],"
                        + " 'rejected': [{'role': 'user', 'content': 'R'}, {'role': 'assistant', 'content': 'B'}]}"
                        + " | prompts of 'chosen' and 'rejected' differ",
                "{'messages': [{'role': 'user', 'content': 'Q'}], 'chosen': {'role': 'assistant', 'content': ' '},"
                        + " 'rejected': {'role': 'assistant', 'content': 'B'}} | the chosen answer is empty"
            })
    void whatCannotBeComparedIsRefusedWithAWayOut(String record, String problem) {
        UserErrorException refused =
                assertThrows(UserErrorException.class, () -> pair(record).requireComparable());
        assertTrue(refused.getMessage().contains(problem), refused.getMessage());
        assertTrue(refused.getMessage().contains("on_bad_record: skip"), refused.getMessage());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'prompt': 'Q', 'chosen': 'A', 'rejected': 'B'}",
                "{'chosen': '\\n\\nHuman: Q\\n\\nAssistant: A', 'rejected': '\\n\\nHuman: Q\\n\\nAssistant: B'}",
                "{'messages': [{'role': 'user', 'content': 'Q'}], 'chosen': {'role': 'assistant', 'content': '',"
                        + " 'tool_calls': [{'type': 'function', 'function': {'name': 'f', 'arguments': {}}}]},"
                        + " 'rejected': {'role': 'assistant', 'content': 'B'}}"
            })
    void whatCanIsKept(String record) {
        pair(record).requireComparable();
    }

    @Test
    void marginsAreNumbersOrTextsOfThem() {
        assertEquals(
                0.5,
                pair("{'prompt': 'Q', 'chosen': 'A', 'rejected': 'B', 'margin': 0.5}")
                        .margin());
        assertEquals(
                2,
                pair("{'prompt': 'Q', 'chosen': 'A', 'rejected': 'B', 'margin': '2'}")
                        .margin());
        assertEquals(
                null,
                pair("{'prompt': 'Q', 'chosen': 'A', 'rejected': 'B', 'margin': null}")
                        .margin());
        assertThrows(
                UserErrorException.class,
                () -> pair("{'prompt': 'Q', 'chosen': 'A', 'rejected': 'B', 'margin': 1e99}"));
    }

    @Test
    void aJudgedAnswerSaysSomething() {
        UserErrorException refused = assertThrows(
                UserErrorException.class,
                () -> new UnpairedPreference(new PromptCompletion("Q", " "), true).requireAnswer());
        assertTrue(refused.getMessage().contains("the judged answer is empty"), refused.getMessage());
    }
}
