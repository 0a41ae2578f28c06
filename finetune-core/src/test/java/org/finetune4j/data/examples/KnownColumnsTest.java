package org.finetune4j.data.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.PlainText;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.format.Turn;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Keys of public datasets are understood where they can mean one thing, and the choice is told. */
class KnownColumnsTest {

    @TempDir
    private Path directory;

    private LoadedExamples open(String... lines) throws IOException {
        Path file = directory.resolve("data.jsonl");
        Files.writeString(file, String.join("\n", lines).replace('\'', '"') + "\n");
        return LoadedExamples.open(DatasetSpec.of(file.toString()).build());
    }

    private String refusal(String... lines) {
        return assertThrows(UserErrorException.class, () -> open(lines)).getMessage();
    }

    @ParameterizedTest
    @CsvSource({
        "question, answer",
        "question, response",
        "question, correct_answer",
        "query, response",
        "problem, solution",
        "input, output",
        "prompt, answer",
        "Question, Answer",
        "title_body, upvoted_answer",
        "context, continuation",
        "dialogue, summary",
        "article, highlights",
        "human, assistant",
        "input_text, target_text"
    })
    void aPairOfKnownNamesIsAPromptAndItsAnswer(String prompt, String answer) throws IOException {
        LoadedExamples examples = open("{'" + prompt + "': 'P', '" + answer + "': 'A'}");
        assertEquals(new PromptCompletion("P", "A"), examples.get(0));
        assertEquals(
                "prompt_completion, columns {completion: " + answer + ", prompt: " + prompt + "}", examples.format());
    }

    @Test
    void aSystemPromptAndUnusedKeysStandBesideAPair() throws IOException {
        LoadedExamples examples =
                open("{'id': 'niv.1', 'system_prompt': 'Be kind.', 'question': 'Hi', 'response': 'Hello!'}");
        List<Turn> turns = List.of(Turn.system("Be kind."), Turn.user("Hi"), Turn.assistant("Hello!"));
        assertEquals(new Conversation(turns, 2, null), examples.get(0));
        assertTrue(examples.notes().get(1).endsWith(": keys of the records that are not used: id"));
    }

    @Test
    void whatAnInstructionIsAboutGoesWithIt() throws IOException {
        Example expected = new Instruction("Add.", "1 2", "3");
        assertEquals(
                expected,
                open("{'instruction': 'Add.', 'context': '1 2', 'response': '3'}")
                        .get(0));
        assertEquals(
                expected,
                open("{'instruction': 'Add.', 'input': '1 2', 'answer': '3'}").get(0));
    }

    @Test
    void answersThatAreComparedKeepTheirQuestion() throws IOException {
        Example expected = new PreferencePair(new PromptCompletion("Q", "yes"), new PromptCompletion("Q", "no"));
        assertEquals(
                expected,
                open("{'question': 'Q', 'chosen': 'yes', 'rejected': 'no'}").get(0));
        assertEquals(
                expected,
                open("{'question': 'Q', 'response_j': 'yes', 'response_k': 'no', 'qid': 1}")
                        .get(0));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello!'}]",
                "[{'from': 'human', 'value': 'Hi'}, {'from': 'gpt', 'value': 'Hello!'}]",
                "{'conversation': [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello!'}]}",
                "{'conversation': [{'input': 'Hi', 'output': 'Hello!'}]}",
                "{'dialog': [{'from': 'human', 'value': 'Hi'}, {'from': 'gpt', 'value': 'Hello!'}]}"
            })
    void aListOfMessagesIsAConversationWhateverHoldsIt(String line) throws IOException {
        Example expected = new Conversation(List.of(Turn.user("Hi"), Turn.assistant("Hello!")), 0, null);
        LoadedExamples two = open(line, line);
        assertEquals(List.of(2, expected, expected), List.of(two.size(), two.get(0), two.get(1)));
        assertEquals(expected, open(line).get(0), "a single line");
        assertEquals(expected, open("[" + line + ", " + line + "]").get(1), "a list of all");
    }

    @Test
    void contentAloneIsAText() throws IOException {
        assertEquals(
                new PlainText("Once."), open("{'content': 'Once.', 'url': 'x'}").get(0));
    }

    @Test
    void whatCanMeanSeveralThingsIsRefusedWithTheChoices() {
        String message = refusal("{'problem': 'P', 'solution': 'S', 'answer': 'A'}");
        assertTrue(message.contains(":1: "), message);
        assertTrue(
                message.contains("columns: {prompt: problem, completion: answer} or"
                        + " columns: {prompt: problem, completion: solution}"),
                message);
    }

    @Test
    void aQuestionAboutAnotherTextIsRefusedWithATemplateForBoth() {
        String message = refusal("{'context': 'C', 'question': 'Q', 'answer': 'A'}");
        assertTrue(
                message.contains("templates: [{inputs: \"{context}\\n{question}\", targets: \"{answer}\"}]"), message);
    }

    @Test
    void aTextBesideAPairIsRefusedWithTheChoices() {
        String message = refusal("{'text': 'T', 'question': 'Q', 'answer': 'A'}");
        assertTrue(
                message.contains("dataset_format: text or columns: {prompt: question, completion: answer}"), message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "{'input_ids': [1], 'labels': [1]} | is tokens already",
                "{'alpaca_en': {'file_name': 'a.json'}} | name it as dataset_info",
                "{'Where does Tom live?': 'x', 'In Oslo.': 'y'} | set csv_header: false",
                "{'query': 'Q', 'choices': ['A', 'B'], 'gold': 1} | columns: {prompt: KEY, completion: KEY}",
                "{'query': 'Q', 'choices': ['A', 'B'], 'gold': 1} | by templates: [{inputs"
            })
    void whatIsNoRecordOfTextsIsRefusedWithTheRemedy(String record, String remedy) {
        String message = refusal(record);
        assertTrue(message.contains(remedy), message);
    }

    @Test
    void messagesWithoutAListAreRefusedWithTheRemedy() {
        String message = refusal("{'role': 'user', 'content': 'Hi'}", "{'role': 'assistant', 'content': 'Hello!'}");
        assertTrue(message.contains("a message stands where a record is expected"), message);
    }
}
