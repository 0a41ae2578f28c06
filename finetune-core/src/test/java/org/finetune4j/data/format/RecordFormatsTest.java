package org.finetune4j.data.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every format: how its records are told from others, and what they mean. */
class RecordFormatsTest {

    /** A record of each format in each of its forms. */
    private record Case(String format, String record, Example expected) {}

    static Stream<Case> cases() {
        Turn hi = Turn.user("Hi");
        Turn hello = Turn.assistant("Hello!");
        Turn go = Turn.assistant("Go away.");
        return Stream.of(
                new Case(
                        "alpaca",
                        "{'instruction': 'Add.', 'input': '1 2', 'output': '3'}",
                        new Instruction("Add.", "1 2", "3")),
                new Case("alpaca", "{'instruction': 'Add.', 'response': '3'}", new Instruction("Add.", "3")),
                new Case(
                        "alpaca",
                        "{'instruction': 'Hi', 'input': '', 'output': 'Hello!', 'system': 'Be kind.',"
                                + " 'history': [['Hi', 'Hello!']]}",
                        new Conversation(List.of(Turn.system("Be kind."), hi, hello, hi, hello), 0, null)),
                new Case("prompt", "{'prompt': 'Hi', 'answer_key': 7}", PromptOnly.of("Hi")),
                new Case(
                        "prompt",
                        "{'prompt': [{'role': 'user', 'content': 'Hi'}], 'system': 'Be kind.'}",
                        new PromptOnly(List.of(Turn.system("Be kind."), hi), null, false)),
                new Case(
                        "self_instruct",
                        "{'id': 's', 'instruction': 'Add.', 'instances': [{'input': '1 2', 'output': '3'}]}",
                        new Instruction("Add.", "1 2", "3")),
                new Case(
                        "sharegpt",
                        "{'conversations': [{'from': 'human', 'value': 'Hi'}, {'from': 'gpt', 'value': 'Hello!'}],"
                                + " 'system': 'Be kind.'}",
                        new Conversation(List.of(Turn.system("Be kind."), hi, hello), 0, null)),
                new Case(
                        "sharegpt",
                        "{'conversations': [{'from': 'human', 'value': 'Hi'},"
                                + " {'from': 'function_call', 'value': '{\\\"name\\\": \\\"f\\\", \\\"arguments\\\": {\\\"a\\\": 1}}'},"
                                + " {'from': 'observation', 'value': '7'}, {'from': 'gpt', 'value': 'Hello!'}],"
                                + " 'tools': '[{\\\"name\\\": \\\"f\\\"}]'}",
                        new Conversation(
                                List.of(
                                        hi,
                                        new Turn(
                                                "assistant",
                                                "",
                                                null,
                                                json(
                                                        "[{'type': 'function', 'function': {'name': 'f', 'arguments': {'a': 1}}}]"),
                                                null,
                                                null,
                                                null),
                                        Turn.of("tool", "7"),
                                        hello),
                                0,
                                json("[{'type': 'function', 'function': {'name': 'f'}}]"))),
                new Case(
                        "messages",
                        "{'messages': [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Go away.',"
                                + " 'weight': 0}, {'role': 'assistant', 'content': [{'type': 'text', 'text': 'Hello!'}],"
                                + " 'train': true}]}",
                        new Conversation(
                                List.of(
                                        hi,
                                        new Turn("assistant", "Go away.", null, null, null, null, false),
                                        new Turn("assistant", "Hello!", null, null, null, null, true)),
                                0,
                                null)),
                new Case(
                        "messages",
                        "{'messages': [{'role': 'assistant', 'content': null, 'tool_calls': [{'id': 'c', 'type':"
                                + " 'function', 'function': {'name': 'f', 'arguments': '{\\\"a\\\": 1}'}}]},"
                                + " {'role': 'tool', 'tool_call_id': 'c', 'name': 'f', 'content': '7'}]}",
                        new Conversation(
                                List.of(
                                        new Turn(
                                                "assistant",
                                                "",
                                                null,
                                                json(
                                                        "[{'id': 'c', 'type': 'function', 'function': {'name': 'f', 'arguments': {'a': 1}}}]"),
                                                null,
                                                null,
                                                null),
                                        new Turn("tool", "7", null, null, "f", "c", null)),
                                0,
                                null)),
                new Case("prompt_completion", "{'prompt': 'Q', 'completion': 'A'}", new PromptCompletion("Q", "A")),
                new Case("prompt_completion", "{'prompt': 'Q', 'response': 'A'}", new PromptCompletion("Q", "A")),
                new Case(
                        "prompt_completion",
                        "{'prompt': 'Q', 'completion': 'A', 'chain_of_thought': 'Because.'}",
                        new PromptCompletion("Q", "Because. So the answer is A.")),
                new Case(
                        "prompt_completion",
                        "{'prompt': [{'role': 'user', 'content': 'Hi'}],"
                                + " 'completion': [{'role': 'assistant', 'content': 'Hello!'}]}",
                        new Conversation(List.of(hi, hello), 1, null)),
                new Case("flan", "{'inputs': 'Q', 'targets': 'A', 'task': 't'}", new PromptCompletion("Q", "A")),
                new Case("big_bench", "{'examples': [{'input': 'Q', 'target': 'A'}]}", new PromptCompletion("Q", "A")),
                new Case(
                        "super_ni",
                        "{'Definition': ['Translate.'], 'Instances': [{'input': 'un', 'output': ['one', 'a']}]}",
                        new Instruction("Translate.", "un", "one")),
                new Case("text", "{'text': 'Once.'}", new PlainText("Once.")),
                new Case("classification", "{'text': 'Nice.', 'label': 1}", new LabelledText("Nice.", "", "1")),
                new Case(
                        "classification",
                        "{'sentence': 'Nice.', 'text_pair': 'Good.', 'label': 'same'}",
                        new LabelledText("Nice.", "Good.", "same")),
                new Case(
                        "preference",
                        "{'prompt': 'Q', 'chosen': 'A', 'rejected': 'B'}",
                        new PreferencePair(new PromptCompletion("Q", "A"), new PromptCompletion("Q", "B"))),
                new Case(
                        "preference",
                        "{'instruction': 'I', 'input': 'Q', 'output': 'x', 'chosen': 'A', 'rejected': 'B'}",
                        new PreferencePair(new Instruction("I", "Q", "A"), new Instruction("I", "Q", "B"))),
                new Case(
                        "preference",
                        "{'conversations': [{'from': 'human', 'value': 'Hi'}],"
                                + " 'chosen': {'from': 'gpt', 'value': 'Hello!'},"
                                + " 'rejected': {'from': 'gpt', 'value': 'Go away.'}}",
                        new PreferencePair(
                                new Conversation(List.of(hi, hello), 1, null),
                                new Conversation(List.of(hi, go), 1, null))),
                new Case(
                        "preference",
                        "{'chosen': [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello!'}],"
                                + " 'rejected': [{'role': 'user', 'content': 'Hi'},"
                                + " {'role': 'assistant', 'content': 'Go away.'}]}",
                        new PreferencePair(
                                new Conversation(List.of(hi, hello), 1, null),
                                new Conversation(List.of(hi, go), 1, null))),
                new Case(
                        "preference",
                        "{'chosen': '\\n\\nHuman: a\\n\\nAssistant: I do', 'rejected': '\\n\\nHuman: a\\n\\nAssistant: I will'}",
                        new PreferencePair(
                                new PromptCompletion("\n\nHuman: a\n\nAssistant:", " I do"),
                                new PromptCompletion("\n\nHuman: a\n\nAssistant:", " I will"))),
                new Case(
                        "preference",
                        "{'chosen': 'The sky is blue', 'rejected': 'The sky is green'}",
                        new PreferencePair(
                                new PromptCompletion("The sky is", " blue"),
                                new PromptCompletion("The sky is", " green"))),
                new Case(
                        "unpaired_preference",
                        "{'prompt': 'Q', 'completion': 'A', 'label': false}",
                        new UnpairedPreference(new PromptCompletion("Q", "A"), false)),
                new Case( // from a table in text
                        "unpaired_preference",
                        "{'prompt': 'Q', 'completion': 'A', 'label': 'True'}",
                        new UnpairedPreference(new PromptCompletion("Q", "A"), true)),
                new Case(
                        "unpaired_preference",
                        "{'messages': [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello!'}],"
                                + " 'label': true}",
                        new UnpairedPreference(new Conversation(List.of(hi, hello), 1, null), true)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void aRecordIsRecognisedAndUnderstood(Case sample) {
        JsonNode record = json(sample.record());
        RecordFormat detected = RecordFormats.detect(record);
        assertEquals(sample.format(), detected.name());
        assertEquals(sample.expected(), detected.parse(record));
        assertEquals(sample.expected(), RecordFormats.named(sample.format()).parse(record), "named explicitly");
    }

    @Test
    void everyFormatHasACase() {
        List<String> covered = cases().map(Case::format).distinct().toList();
        assertTrue(covered.containsAll(RecordFormats.names()), "no case for one of " + RecordFormats.names());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\0',
            value = {
                "alpaca | {'instructions': 'x', 'output': 'y'} | no 'instruction', but a 'instructions'",
                "alpaca | {'instruction': 3, 'output': 'y'} | 'instruction' must be a string, got number",
                "alpaca | {'instruction': 'x', 'output': 'y', 'history': [['a']]} | pairs of a question and an answer",
                "sharegpt | {'conversation': []} | no 'conversations', but a 'conversation'",
                "sharegpt | {'conversations': 'x'} | must be a list of messages, got string",
                "sharegpt | {'conversations': []} | is empty, expected at least one message",
                "sharegpt | {'conversations': [3]} | conversations[0] must be a message, got number",
                "sharegpt | {'conversations': [{'from': 'humn', 'value': 'x'}]} | did you mean 'human'?",
                "sharegpt | {'conversations': [{'from': 'human', 'vale': 'x'}]} | no 'content' (or 'value')",
                "sharegpt | {'conversations': [{'from': 'human', 'value': 'x'}]} | no assistant message",
                "messages | {'messages': [{'role': 'user', 'content': [{'type': 'image_url'}]}]} | expected text only",
                "messages | {'messages': [{'role': 'user', 'content': 'x', 'train': 'yes'}]} | must be true, false, 0 or 1",
                "messages | {'messages': [{'role': 'assistant', 'content': 'x'}], 'tools': '[{'} | 'tools': not valid JSON",
                "prompt_completion | {'prompt': 'x', 'completions': 'y'} | but a 'completions'",
                "super_ni | {'Definition': ['x'], 'Instances': [{'input': 'y'}]} | the instance has no 'output'",
                "self_instruct | {'instruction': 'x', 'instances': [{'output': 'y'}, {'output': 'z'}]} | got 2 of them: write each",
                "classification | {'text': 'x'} | no 'label'",
                "classification | {'text': 'x', 'label': {}} | a name or a number, or a list of them, got object",
                "preference | {'prompt': 'x', 'chosen': 'y', 'reject': 'z'} | no 'rejected', but a 'reject'",
                "unpaired_preference | {'prompt': 'x', 'completion': 'y', 'label': 'good'} | must be true or false, got string",
            })
    void aRecordThatDoesNotFitIsRefusedWithTheReason(String format, String record, String message) {
        UserErrorException e = assertThrows(
                UserErrorException.class, () -> RecordFormats.named(format).parse(json(record)));
        assertTrue(String.valueOf(e.getMessage()).contains(message), e.getMessage());
        assertEquals(1, String.valueOf(e.getMessage()).lines().count());
    }

    @Test
    void unknownFormatsAndRecordsAreRefused() {
        UserErrorException name = assertThrows(UserErrorException.class, () -> RecordFormats.named("sharegtp"));
        assertTrue(String.valueOf(name.getMessage()).contains("did you mean 'sharegpt'?"), name.getMessage());
        UserErrorException record =
                assertThrows(UserErrorException.class, () -> RecordFormats.detect(json("{'question': 'x'}")));
        assertTrue(String.valueOf(record.getMessage()).contains("[question]"), record.getMessage());
    }

    @Test
    void templatesPutFieldsIntoWords() {
        JsonNode record = json("{'question': 'Which?', 'options': ['a', 'b'], 'answer': 0, 'thought': 'Hm.'}");
        assertEquals(
                new PromptCompletion("{Q} Which?\nOPTIONS:\n- a\n- b", "Hm. So 0."),
                new FieldTemplate("{{Q}} {question}\n{options_}", "{thought} So {answer}.").apply(record));
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> new FieldTemplate("{questoin}", "{answer}").apply(record));
        assertTrue(String.valueOf(e.getMessage()).contains("but a 'question'"), e.getMessage());
        assertThrows(UserErrorException.class, () -> new FieldTemplate("no placeholder", "none"));
    }

    private static JsonNode json(String text) {
        return TestJson.parse(text.replace("\\\"", "\u0001").replace('\'', '"').replace("\u0001", "\\\""));
    }
}
