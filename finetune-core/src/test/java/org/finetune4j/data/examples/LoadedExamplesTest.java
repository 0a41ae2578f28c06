package org.finetune4j.data.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.airlift.compress.zstd.ZstdOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.BadRecordPolicy;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.FieldTemplate;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.LabelledText;
import org.finetune4j.data.format.PlainText;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.format.Turn;
import org.finetune4j.data.format.UnpairedPreference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The same two records from every container give the same two examples. */
class LoadedExamplesTest {

    private static final String LINES = """
            {"prompt": "Q1", "completion": "A, \\"one\\"\\nline"}
            {"prompt": "Q2", "completion": "A2"}
            """;
    private static final List<Example> EXPECTED =
            List.of(new PromptCompletion("Q1", "A, \"one\"\nline"), new PromptCompletion("Q2", "A2"));

    @TempDir
    private Path directory;

    @Test
    void jsonLinesArraysAndObjectsOverSeveralLines() {
        assertEquals(EXPECTED, load(file("a.jsonl", LINES)));
        String[] lines = LINES.split("\n");
        assertEquals(EXPECTED, load(file("b.json", "[" + lines[0] + ",\n" + lines[1] + "]")));
        assertEquals(EXPECTED, load(file("c.json", LINES.replace("{", "{\n").replace("}", "\n}"))));
    }

    @Test
    void packedFilesAreKnownByTheirContent() throws IOException {
        Path gzip = directory.resolve("a.jsonl.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(gzip))) {
            out.write(LINES.getBytes(StandardCharsets.UTF_8));
        }
        Path zstd = directory.resolve("a.jsonl.zst");
        try (OutputStream out = new ZstdOutputStream(Files.newOutputStream(zstd))) {
            out.write(LINES.getBytes(StandardCharsets.UTF_8));
        }
        assertEquals(EXPECTED, load(gzip));
        assertEquals(EXPECTED, load(zstd));
        assertEquals(gzip + ":2", open(gzip).location(1));

        byte[] cut = Files.readAllBytes(gzip);
        Path broken = directory.resolve("broken.gz");
        Files.write(broken, java.util.Arrays.copyOf(cut, cut.length - 9));
        assertRefused(DatasetSpec.of(broken.toString()), broken + ": not a whole gzip file");
        byte[] damaged = Files.readAllBytes(zstd);
        Path brokenZstd = directory.resolve("broken.zst");
        Files.write(brokenZstd, java.util.Arrays.copyOf(damaged, damaged.length - 9));
        assertRefused(DatasetSpec.of(brokenZstd.toString()), brokenZstd + ": not a whole zstd file");
    }

    @Test
    void commaSeparatedValuesMayBeQuoted() {
        Path csv = file("a.csv", "prompt,completion\nQ1,\"A, \"\"one\"\"\nline\"\r\nQ2,A2\n");
        assertEquals(EXPECTED, load(csv));
        assertEquals(csv + ":4", open(csv).location(1));
    }

    /** As Python's csv reads them: a quote opens a value only where the value begins, and one that is closed goes on as it is. */
    @Test
    void quotesInsideOfValuesAreCharacters() {
        Path csv = file("a.csv", "prompt,completion\nthe \"best\" thing,5\" nail\n\"a\"b\"c,\"d\"\n");
        assertEquals(
                List.of(new PromptCompletion("the \"best\" thing", "5\" nail"), new PromptCompletion("ab\"c", "d")),
                load(csv));
    }

    @Test
    void tabSeparatedValuesHaveNoQuotesAndMayLackAHeader() {
        Path tsv = file("a.tsv", "a \"fine\" film\t1\n\"awful\t0\n");
        List<Example> examples = load(DatasetSpec.of(tsv.toString())
                .csvHeader(false)
                .column("text", "column_1")
                .column("label", "column_2"));
        assertEquals(
                List.of(new LabelledText("a \"fine\" film", "", "1"), new LabelledText("\"awful", "", "0")), examples);
    }

    @Test
    void parquetAndQueriesThroughDuckDb() throws SQLException {
        Path lines = file("a.jsonl", LINES);
        Path parquet = directory.resolve("a.parquet");
        try (Connection connection = DriverManager.getConnection("jdbc:duckdb:");
                Statement statement = connection.createStatement()) {
            statement.execute("COPY (SELECT * FROM read_json('" + lines + "')) TO '" + parquet + "' (FORMAT parquet)");
        }
        assertEquals(EXPECTED, load(parquet));
        assertEquals(
                EXPECTED.subList(1, 2),
                load(DatasetSpec.of(parquet.toString()).sql("SELECT * FROM data WHERE prompt = 'Q2'")));
        assertEquals(
                EXPECTED,
                load(DatasetSpec.builder().sql("SELECT prompt, completion AS response FROM '" + parquet + "'")));
        assertRefused(DatasetSpec.of(parquet.toString()).sql("SELECT nothing FROM data"), "DuckDB cannot read this");
        assertRefused(DatasetSpec.of(file("b.parquet", "no").toString()), "b.parquet: DuckDB cannot read this");
    }

    @Test
    void directoriesPatternsAndSeveralFilesComeInTheOrderOfTheirNames() {
        file("x/2.jsonl", "{\"text\": \"two\"}\n");
        file("x/1.txt", "one\n\nhalf\n");
        file("x/README.md", "not data");
        file("x/dataset_info.json", "{}");
        List<Example> all = List.of(new PlainText("one"), new PlainText("half"), new PlainText("two"));
        assertEquals(all, load(directory.resolve("x")));
        assertEquals(all, load(DatasetSpec.of(directory + "/x/*.{txt,jsonl}")));
        assertEquals(all, load(DatasetSpec.of(directory + "/**/[12].*")));
        assertEquals(
                all.subList(2, 3),
                load(DatasetSpec.of(directory.resolve("x/2.jsonl").toString())));
        assertRefused(DatasetSpec.of(directory + "/x/*.csv"), "no file matches");
        assertRefused(DatasetSpec.of(directory + "/x/2.json"), "did you mean '2.jsonl'?");
    }

    @Test
    void aTaskFileHoldsItsInstances() {
        Path task = file("task007_adding.json", """
                {
                  "Contributors": ["x"],
                  "Definition": ["Add the numbers."],
                  "Positive Examples": [],
                  "Instances": [
                    {"id": "a", "input": "1 1", "output": ["2"]},
                    {"id": "b", "input": "2 2", "output": ["4", "four"]}
                  ],
                  "Instance License": ["MIT"]
                }
                """);
        LoadedExamples examples = open(task);
        assertEquals("super_ni", examples.format());
        assertEquals(
                List.of(
                        new Instruction("Add the numbers.", "1 1", "2"),
                        new Instruction("Add the numbers.", "2 2", "4")),
                all(examples));
        assertEquals("task007_adding", examples.task(1));
        assertEquals(task + ":7", examples.location(1));
    }

    @Test
    void columnsMayHaveOtherNames() {
        Path file = file("a.jsonl", "{\"question\": \"Q\", \"answer\": \"A\", \"prompt\": \"other\"}\n");
        assertEquals(
                List.of(new PromptCompletion("Q", "A")),
                load(DatasetSpec.of(file.toString())
                        .column("prompt", "question")
                        .column("response", "answer")));
        assertRefused(
                DatasetSpec.of(file.toString()).column("prompt", "qestion").column("completion", "answer"),
                "prompt: qestion");
        assertRefused(
                DatasetSpec.of(file.toString())
                        .format("prompt_completion")
                        .column("promt", "question")
                        .column("completion", "answer"),
                "did you mean 'prompt'?");
    }

    @Test
    void theSeedChoosesAmongTemplates() {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            lines.append("{\"q\": \"").append(i).append("\", \"a\": \"x\"}\n");
        }
        Path file = file("a.jsonl", lines.toString());
        DatasetSpec.Builder spec = DatasetSpec.of(file.toString())
                .template(new FieldTemplate("Ask: {q}", "{a}"))
                .template(new FieldTemplate("{q}?", "{a}"));
        List<Example> first = load(spec);
        assertEquals(first, load(spec), "the same seed chooses the same");
        Set<Boolean> kinds = new HashSet<>();
        first.forEach(example -> kinds.add(((PromptCompletion) example).prompt().startsWith("Ask")));
        assertEquals(Set.of(true, false), kinds);
        assertTrue(!first.equals(load(spec.seed(7))), "another seed chooses others");
    }

    @Test
    void datasetInfoOfLlamaFactory() {
        file("chat.json", "[{\"talk\": [{\"who\": \"U\", \"says\": \"Hi\"}, {\"who\": \"A\", \"says\": \"Hello!\"}]}]");
        file("pairs.json", "[{\"q\": \"Q\", \"good\": \"A\", \"bad\": \"B\"}]");
        file(
                "judged.json",
                "[{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"},"
                        + " {\"role\": \"assistant\", \"content\": \"Hello!\"}], \"ok\": true}]");
        file("plain.json", "[{\"body\": \"Once.\"}]");
        DatasetInfo info = DatasetInfo.read(file("dataset_info.json", """
                {
                  "chat": {"file_name": "chat.json", "formatting": "sharegpt", "columns": {"messages": "talk"},
                    "tags": {"role_tag": "who", "content_tag": "says", "user_tag": "U", "assistant_tag": "A"}},
                  "pairs": {"file_name": "pairs.json", "ranking": true,
                    "columns": {"prompt": "q", "chosen": "good", "rejected": "bad"}},
                  "judged": {"file_name": "judged.json", "formatting": "sharegpt",
                    "columns": {"messages": "messages", "kto_tag": "ok"},
                    "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}},
                  "openai": {"file_name": "judged.json", "formatting": "openai", "columns": {"messages": "messages"},
                    "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}},
                  "others": {"file_name": "chat.json", "formatting": "openai", "columns": {"messages": "talk"},
                    "tags": {"role_tag": "who", "content_tag": "says", "user_tag": "U", "assistant_tag": "A"}},
                  "misspelt": {"file_name": "plain.json", "columns": {"promt": "body"}},
                  "plain": {"file_name": "plain.json", "file_sha1": "0", "columns": {"prompt": "body"}},
                  "far": {"hf_hub_url": "someone/far"}
                }
                """));
        Conversation chat = new Conversation(List.of(Turn.user("Hi"), Turn.assistant("Hello!")), 0, null);
        assertEquals(List.of(chat), load(info.dataset("chat")));
        assertEquals(
                List.of(new PreferencePair(new Instruction("Q", "A"), new Instruction("Q", "B"))),
                load(info.dataset("pairs")));
        assertEquals(
                List.of(new UnpairedPreference(new Conversation(chat.turns(), 1, null), true)),
                load(info.dataset("judged")));
        assertEquals(List.of(chat), load(info.dataset("openai")));
        assertEquals(List.of(chat), load(info.dataset("others")));
        UserErrorException misspelt = assertThrows(UserErrorException.class, () -> info.dataset("misspelt"));
        assertTrue(
                String.valueOf(misspelt.getMessage())
                        .contains("'misspelt': unknown key 'promt', did you mean 'prompt'?"),
                misspelt.getMessage());
        assertEquals(List.of(new PlainText("Once.")), load(info.dataset("plain")));
        UserErrorException far = assertThrows(UserErrorException.class, () -> info.dataset("far"));
        assertTrue(String.valueOf(far.getMessage()).contains("hf_hub_url"), far.getMessage());
        UserErrorException name = assertThrows(UserErrorException.class, () -> info.dataset("pair"));
        assertTrue(String.valueOf(name.getMessage()).contains("did you mean 'pairs'?"), name.getMessage());
    }

    @Test
    void tasksComeFromRecordsFilesOrTheDataset() {
        Path file = file("a.jsonl", "{\"text\": \"x\", \"task\": \"t1\"}\n{\"text\": \"y\"}\n");
        ExampleDataset examples =
                LoadedExamples.open(DatasetSpec.of(file.toString()).name("mine").build());
        assertEquals(List.of("t1", "mine"), List.of(examples.task(0), examples.task(1)));
        assertEquals(Map.of(), DatasetSpec.of("x").build().columns());
    }

    @Test
    void badRecordsAreRefusedOrSkippedAndCounted() {
        Path file = file("a.jsonl", "{\"text\": \"x\"}\nnonsense\n{\"txt\": \"y\"}\n{\"text\": \"z\"}\n");
        assertRefused(DatasetSpec.of(file.toString()), file + ":2: not valid JSON");
        LoadedExamples skipped = LoadedExamples.open(DatasetSpec.of(file.toString())
                .onBadRecord(BadRecordPolicy.SKIP)
                .build());
        assertEquals(List.of(new PlainText("x"), new PlainText("z")), all(skipped));
        assertEquals(2, skipped.badRecords().count());
        assertTrue(
                skipped.badRecords().messages().get(1).startsWith(file + ":3: the record has no 'text', but a 'txt'"));
        assertRefused(
                DatasetSpec.of(file("b.jsonl", "nonsense\n").toString()).onBadRecord(BadRecordPolicy.SKIP),
                "the dataset is empty");
    }

    private LoadedExamples open(Path path) {
        return LoadedExamples.open(DatasetSpec.of(path.toString()).build());
    }

    private List<Example> load(Path path) {
        return load(DatasetSpec.of(path.toString()));
    }

    private static List<Example> load(DatasetSpec.Builder spec) {
        return all(LoadedExamples.open(spec.build()));
    }

    private static List<Example> all(ExampleDataset examples) {
        return IntStream.range(0, examples.size()).mapToObj(examples::get).toList();
    }

    private static void assertRefused(DatasetSpec.Builder spec, String message) {
        UserErrorException e = assertThrows(UserErrorException.class, () -> LoadedExamples.open(spec.build()));
        assertTrue(String.valueOf(e.getMessage()).contains(message), e.getMessage());
        assertEquals(1, String.valueOf(e.getMessage()).lines().count());
    }

    private Path file(String name, String content) {
        try {
            Path file = directory.resolve(name);
            Files.createDirectories(java.util.Objects.requireNonNull(file.getParent()));
            return Files.writeString(file, content);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
