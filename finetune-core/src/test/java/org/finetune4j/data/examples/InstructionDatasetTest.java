package org.finetune4j.data.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DatasetSplit;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.format.Turn;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class InstructionDatasetTest {

    @TempDir
    private Path directory;

    @Test
    void jsonAndJsonLinesGiveTheSameRecords() throws IOException {
        String first = "{\"instruction\": \"Add.\", \"input\": \"1 2\", \"output\": \"3\", \"source\": {\"id\": 7}}";
        String second = "{\"output\": \"Hi!\", \"instruction\": \"Greet.\", \"input\": null}";
        String third = "{\"output\": \"\", \"instruction\": \"Wait.\"}";
        Path lines = write("data.jsonl", first + "\n" + second + "\n" + third);
        Path array = write("data.json", "[" + first + "," + second + ",\n" + third + "]");
        List<Instruction> expected = List.of(
                new Instruction("Add.", "1 2", "3"),
                new Instruction("Greet.", "Hi!"),
                new Instruction("Wait.", "", ""));
        assertEquals(expected, records(InstructionDataset.jsonl(lines)));
        assertEquals(expected, records(InstructionDataset.load(array)));
        assertEquals(array + ":2", InstructionDataset.load(array).location(2));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'instruction': 5, 'output': ''}         | 'instruction' must be a string, got number",
                "{'instruction': 'x', 'output': null}     | the record has no 'output'; its keys are [instruction]",
                "{'instruction': 'x', 'output': ['y']}    | 'output' must be a string, got array",
                "{'instruction': 'x', 'output': '', 'input': {}} | 'input' must be a string, got object",
                "{'instruction': 'x', 'input': ''}        | the record has no 'output'; its keys are [instruction, input]",
                "{'instuction': 'x', 'output': ''}        | the record has no 'instruction', but a 'instuction'",
            })
    void aRecordOfTheWrongShapeIsRefusedWithItsLineWhenTheFileIsOpened(String record, String reason)
            throws IOException {
        String good = "{\"instruction\": \"a\", \"output\": \"b\"}\n";
        Path file = write("data.jsonl", good + record.replace('\'', '"') + "\n" + good);
        String message = assertThrows(UserErrorException.class, () -> InstructionDataset.load(file))
                .getMessage();
        assertEquals(file + ":2: " + reason.replace('"', '\''), message);
    }

    @Test
    void everyFormatAndContainerIsUnderstoodAndTold() throws IOException {
        Path messages = write(
                "chat.jsonl",
                "{\"id\": 7, \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"},"
                        + " {\"role\": \"assistant\", \"content\": \"Hello!\"}]}\n");
        InstructionDataset chat = InstructionDataset.load(messages);
        Conversation expected = new Conversation(List.of(Turn.user("Hi"), Turn.assistant("Hello!")), 0, null);
        assertEquals(expected, chat.get(0));
        assertEquals(
                List.of(
                        messages + ": 1 records, format messages",
                        "warning: " + messages + ": keys of the records that are not used: id"),
                chat.notes());

        InstructionDataset questions = InstructionDataset.load(write("qa.csv", "question,answer\nPrice?,1.50\n"));
        assertEquals(List.of(new PromptCompletion("Price?", "1.50")), records(questions));
        assertTrue(questions.notes().get(0).endsWith("columns {completion: answer, prompt: question}"));
    }

    @Test
    void anEmptyListIsRefused() {
        assertThrows(UserErrorException.class, () -> InstructionDataset.of(List.of()));
    }

    @Test
    void aSplitIsTheSameForTheSameSeedAndSharesNoRecord() {
        InstructionDataset dataset = InstructionDataset.of(IntStream.range(0, 50)
                .mapToObj(i -> new Instruction("q" + i, "a" + i))
                .toList());
        DatasetSplit<ExampleDataset> split = dataset.split(0.15, 3);
        assertEquals(8, split.evaluation().size(), "rounded up");
        assertEquals(42, split.train().size());
        List<Example> all = new ArrayList<>(records(split.train()));
        all.addAll(records(split.evaluation()));
        assertEquals(50, all.stream().distinct().count());
        assertEquals(records(split.evaluation()), records(dataset.split(8, 3).evaluation()));
        assertEquals("record 0", dataset.first(5).location(0));
        assertEquals(50, dataset.first(500).size());
    }

    private static List<Example> records(ExampleDataset dataset) {
        return IntStream.range(0, dataset.size()).mapToObj(dataset::get).toList();
    }

    private Path write(String name, String content) throws IOException {
        return Files.writeString(directory.resolve(name), content);
    }
}
