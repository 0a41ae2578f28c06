package org.finetune4j.data.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Set;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** No key of a message is dropped without a word: it is read, refused, or told. */
class MessageKeysTest {

    private static JsonNode record(String assistant) {
        String messages = "{'messages': [{'role': 'user', 'content': 'Hi'}, " + assistant + "]}";
        return TestJson.parse(messages.replace('\'', '"'));
    }

    private static Turn answer(String assistant) {
        return ((Conversation) new MessagesFormat().parse(record(assistant)))
                .turns()
                .get(1);
    }

    private static String refusal(String assistant) {
        return assertThrows(UserErrorException.class, () -> answer(assistant)).getMessage();
    }

    @ParameterizedTest
    @CsvSource({
        "train, false",
        "training, false",
        "weight, 0",
        "loss_weight, 0.0",
        "loss, false",
        "train, true",
        "loss, true"
    })
    void aMessageSaysWhetherItIsLearned(String key, String value) {
        boolean expected = value.equals("true");
        assertEquals(
                expected,
                answer("{'role': 'assistant', 'content': 'Hello!', '" + key + "': " + value + "}")
                        .train());
    }

    @Test
    void keysThatAreNullAreAbsent() {
        assertEquals(
                Turn.assistant("Hello!"),
                answer("{'role': 'assistant', 'from': null, 'content': 'Hello!', 'value': null, 'tool_calls': null,"
                        + " 'function_call': null, 'loss': null, 'name': null, 'images': null}"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'name': 'f', 'arguments': '{\\\"city\\\": \\\"Oslo\\\"}'}",
                "{'name': 'f', 'arguments': {'city': 'Oslo'}}",
            })
    void theFormerFunctionCallIsACall(String call) {
        Turn turn = answer("{'role': 'assistant', 'content': null, 'function_call': " + call + "}");
        assertEquals(
                "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":{\"city\":\"Oslo\"}}}]",
                String.valueOf(turn.toolCalls()));
    }

    @Test
    void theFormerFunctionsAreTools() throws JsonProcessingException {
        JsonNode record = TestJson.parse(
                "{\"messages\": [{\"role\": \"assistant\", \"content\": \"x\"}], \"functions\": [{\"name\": \"f\"}]}");
        Conversation conversation = (Conversation) new MessagesFormat().parse(record);
        assertEquals("[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]", String.valueOf(conversation.tools()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "'wieght': 0 | did you mean 'weight'?",
                "'toolCalls': [] | did you mean 'tool_calls'?",
                "'trains': false | did you mean 'train'?",
                "'train': true, 'weight': 0 | say different things",
                "'loss': 'no' | must be true, false, 0 or 1",
                "'weight': 0.5 | must be true, false, 0 or 1",
                "'tool_calls': 'f' | 'tool_calls' must be a list",
                "'function_call': {'arguments': '{}'} | has no 'name'",
                "'reasoning': 'a', 'thinking': 'b' | give one of",
                "'images': ['a.png'] | text only",
                "'train_detail': [] | cannot be learned apart"
            })
    void whatCannotBeDoneIsRefusedByName(String keys, String expected) {
        String message = refusal("{'role': 'assistant', 'content': 'Hello!', " + keys + "}");
        assertTrue(message.startsWith("messages[1]") && message.contains(expected), message);
    }

    @Test
    void onlyTheAssistantCalls() {
        String message = refusal("{'role': 'user', 'content': '', 'function_call': {'name': 'f', 'arguments': '{}'}}");
        assertTrue(message.contains("only the assistant calls tools"), message);
    }

    @Test
    void whatIsNotUsedIsNamed() throws JsonProcessingException {
        JsonNode record = record("{'role': 'user', 'content': 'x', 'timestamp': 1, 'train': true, 'id': null}");
        ((ObjectNode) record).put("sytem", "Be kind.").put("source", "web");
        assertEquals(
                Set.of(
                        "sytem (did you mean 'system'?)",
                        "source",
                        "messages[].timestamp",
                        "messages[]: a message of the user asks to be learned, only the assistant's are"),
                new MessagesFormat().unusedKeys(record));
    }

    @Test
    void aMessageOfAListOfPairsIsTwo() throws JsonProcessingException {
        JsonNode record = TestJson.parse("{\"messages\": [{\"input\": \"Hi\", \"output\": \"Hello!\"}]}");
        assertEquals(
                List.of(Turn.user("Hi"), Turn.assistant("Hello!")),
                ((Conversation) new MessagesFormat().parse(record)).turns());
    }
}
