package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextDatasetTest extends TrainingDatasetContract {

    private static final List<String> DOCUMENTS =
            List.of("The first document is short.", "", "The second one.\nIt has two lines.", "x");

    private static Tokenizer gpt2;
    private static Tokenizer llama2;

    @TempDir
    private Path directory;

    @BeforeAll
    static void open() {
        gpt2 = TestTokenizers.gpt2();
        llama2 = TestTokenizers.llama2();
    }

    @AfterAll
    static void close() {
        gpt2.close();
        llama2.close();
    }

    @Override
    protected TrainingDataset dataset() {
        return TextDataset.of(DOCUMENTS, gpt2, blocks(8).build());
    }

    @Test
    void filesOfAnyKindOneAfterTheOtherAreTheDocumentsOfOneDataset() throws IOException {
        Path plain = Files.writeString(directory.resolve("a.txt"), "First.\nOf two lines.");
        Path records = Files.writeString(directory.resolve("c.csv"), "id,text\n1,Third.\n2,Fourth.\n");
        Path packed = directory.resolve("b.txt.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(packed))) {
            out.write("Second.".getBytes(StandardCharsets.UTF_8));
        }
        TextOptions options = blocks(5).build();
        TextDataset expected =
                TextDataset.of(List.of("First.\nOf two lines.", "Second.", "Third.", "Fourth."), gpt2, options);
        TextDataset files = TextDataset.load(List.of(plain, packed, records), gpt2, options);
        assertEquals(expected.tokens(), files.tokens());
        assertEquals(
                IntStream.range(0, expected.size()).mapToObj(expected::get).toList(),
                IntStream.range(0, files.size()).mapToObj(files::get).toList());
        assertEquals(records + ":3", files.location(files.size() - 1));
    }

    @Test
    void blocksTogetherAreAllDocumentsWithTheirSpecialTokens() {
        int[] expected = DOCUMENTS.stream()
                .filter(text -> !text.isEmpty())
                .flatMapToInt(text -> IntStream.concat(Arrays.stream(llama2.encode(text, true)), IntStream.of(2)))
                .toArray();
        for (int blockSize : new int[] {2, 7, 16, 1000}) {
            TextDataset dataset =
                    TextDataset.of(DOCUMENTS, llama2, blocks(blockSize).build());
            assertEquals(expected.length, dataset.tokens());
            int[] all = IntStream.range(0, dataset.size())
                    .flatMap(i -> Arrays.stream(dataset.get(i).inputIds()))
                    .toArray();
            // A single token at the end has nothing to predict and is left out.
            assertArrayEquals(Arrays.copyOf(expected, all.length), all);
            assertTrue(expected.length - all.length <= 1);
            for (int i = 0; i < dataset.size() - 1; i++) {
                assertEquals(blockSize, dataset.get(i).length());
                assertArrayEquals(dataset.get(i).inputIds(), dataset.get(i).labels());
            }
        }
    }

    @Test
    void documentsMayBeOpenedByBosAlone() {
        TextOptions options = blocks(1000).bos(true).eos(false).build();
        assertArrayEquals(
                llama2.encode("x", true),
                TextDataset.of(List.of("x"), llama2, options).get(0).inputIds());
        TextOptions bare = blocks(1000).bos(false).eos(false).build();
        assertArrayEquals(
                llama2.encode("x y", false),
                TextDataset.of(List.of("x y"), llama2, bare).get(0).inputIds());
    }

    @Test
    void aSampleOfOneDocumentNeverRunsIntoTheNext() {
        TextDataset dataset = TextDataset.of(
                DOCUMENTS, llama2, blocks(6).packing(TextPacking.PER_DOCUMENT).build());
        for (int i = 0; i < dataset.size(); i++) {
            int[] ids = dataset.get(i).inputIds();
            assertTrue(ids.length >= 2 && ids.length <= 6);
            assertTrue(IntStream.range(1, ids.length).noneMatch(at -> ids[at] == 1), "BOS only at the start");
        }
        assertEquals("document 0", dataset.location(0));
        assertEquals("document 3", dataset.location(dataset.size() - 1));
    }

    @Test
    void aTextFileIsOneDocumentWhateverItsSize() throws IOException {
        String text =
                IntStream.range(0, 20_000).mapToObj(i -> "line " + i + "\n").collect(Collectors.joining());
        Path file = write("corpus.txt", text);
        TextDataset dataset = TextDataset.load(file, gpt2, blocks(64).build());
        assertTrue(Files.size(file) > 2 * TextFile.PIECE_BYTES, "it is read in pieces");
        assertEquals(text + "<|endoftext|>", textOf(dataset));
        assertEquals(file + ":1", dataset.location(0));
    }

    /** A piece in the middle gets no space of its own, as Llama 2's first word does, and white space is not cut apart. */
    @Test
    void piecesHaveTheTokensOfTheWholeText() throws IOException {
        String text = IntStream.range(0, 20_000)
                .mapToObj(i -> (i % 3 == 0 ? "  " : "") + "line " + i + (i % 2 == 0 ? "\n\n" : "\n"))
                .collect(Collectors.joining());
        Path file = write("corpus.txt", text);
        for (Tokenizer tokenizer : new Tokenizer[] {llama2, gpt2}) {
            TextDataset dataset =
                    TextDataset.load(file, tokenizer, blocks(64).eos(false).build());
            int[] ids = IntStream.range(0, dataset.size())
                    .flatMap(i -> IntStream.of(dataset.get(i).inputIds()))
                    .toArray();
            int[] whole = tokenizer.encode(text, true);
            assertTrue(whole.length - ids.length <= 1, "a last token alone has nothing to predict");
            assertArrayEquals(Arrays.copyOf(whole, ids.length), ids);
        }
    }

    @Test
    void aLineOfAnyLengthIsReadInPieces() throws IOException {
        String text = "é🦖".repeat(TextFile.PIECE_BYTES);
        TextDataset dataset = TextDataset.load(
                write("corpus.txt", text), gpt2, blocks(512).eos(false).build());
        assertEquals(text, textOf(dataset));
    }

    @Test
    void aSeparatorLineEndsADocument() throws IOException {
        Path file = write("stories.txt", "\r\none\r\ntwo\r\n---\r\n\r\n---\r\nthree\r\n --- \r\nfour");
        TextDataset dataset = TextDataset.load(
                file,
                gpt2,
                blocks(64)
                        .packing(TextPacking.PER_DOCUMENT)
                        .documentSeparator("---")
                        .build());
        assertEquals(2, dataset.size());
        assertEquals("one\ntwo<|endoftext|>", gpt2.decode(dataset.get(0).inputIds(), false));
        assertEquals(
                "three\n --- \nfour<|endoftext|>", gpt2.decode(dataset.get(1).inputIds(), false));
        assertEquals(file + ":7", dataset.location(1));
    }

    @Test
    void blankLinesMaySeparateDocuments() throws IOException {
        Path file = write("stories.txt", "\uFEFFone\n\n \n\ntwo\n" + "long line\n".repeat(8000) + "\nthree\n\n");
        TextDataset dataset = TextDataset.load(
                file,
                gpt2,
                blocks(1 << 20)
                        .packing(TextPacking.PER_DOCUMENT)
                        .documentSeparator("")
                        .build());
        assertEquals(3, dataset.size());
        assertEquals("one<|endoftext|>", gpt2.decode(dataset.get(0).inputIds(), false));
        assertTrue(gpt2.decode(dataset.get(1).inputIds(), false).endsWith("long line<|endoftext|>"));
        assertEquals("three<|endoftext|>", gpt2.decode(dataset.get(2).inputIds(), false));
    }

    @Test
    void recordsOfAJsonLinesFileAreDocuments() throws IOException {
        Path file = write("corpus.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\", \"id\": 5}\n");
        TextDataset dataset = TextDataset.load(
                file, gpt2, blocks(64).packing(TextPacking.PER_DOCUMENT).build());
        assertEquals("two<|endoftext|>", gpt2.decode(dataset.get(1).inputIds(), false));
        assertEquals(file + ":2", dataset.location(1));
    }

    @Test
    void aRecordWithoutTextIsRefusedWithItsLine() throws IOException {
        Path file = write("corpus.jsonl", "{\"text\": \"one\"}\n{\"txt\": \"two\"}\n");
        assertEquals(file + ":2: the record has no 'text', but a 'txt'", refusal(file));
        Path number = write("number.jsonl", "{\"text\": 5}");
        assertEquals(number + ":1: 'text' must be a string, got number", refusal(number));
    }

    @Test
    void aFileThatIsNotTextIsRefusedWithItsLine() throws IOException {
        Path nul = write("nul.txt", "one\ntwo\nth\0ree\n");
        assertEquals(nul + ":3: a NUL byte, so this is not a text file", refusal(nul));
        Path latin = directory.resolve("latin.txt");
        Files.write(latin, "one\ncafé\n".getBytes(StandardCharsets.ISO_8859_1));
        assertEquals(latin + ":2: not valid UTF-8", refusal(latin));
    }

    @Test
    void aFileWithoutTextIsRefused() throws IOException {
        assertTrue(refusal(write("empty.txt", "")).contains("the dataset is empty"));
        assertTrue(refusal(write("blank.txt", "\n \n\n")).contains("the dataset is empty"));
        assertTrue(refusal(directory.resolve("missing.txt")).startsWith("no such file"));
        assertThrows(UserErrorException.class, () -> TextDataset.of(List.of(), gpt2, TextOptions.defaults()));
        assertThrows(UserErrorException.class, () -> TextDataset.of(List.of(""), gpt2, TextOptions.defaults()));
    }

    @Test
    void aFileThatChangesWhileInUseIsRefused() throws IOException {
        Path file = write("corpus.txt", "word\n".repeat(10));
        TextFile source = TextFile.open(file, null);
        write("corpus.txt", "other\n".repeat(10));
        String message =
                assertThrows(UserErrorException.class, () -> source.text(0)).getMessage();
        assertEquals(file + ": the file was changed while it was in use", message);
    }

    private String refusal(Path file) {
        return assertThrows(UserErrorException.class, () -> TextDataset.load(file, gpt2, TextOptions.defaults()))
                .getMessage();
    }

    private static String textOf(TextDataset dataset) {
        return gpt2.decode(
                IntStream.range(0, dataset.size())
                        .flatMap(i -> Arrays.stream(dataset.get(i).inputIds()))
                        .toArray(),
                false);
    }

    private static TextOptions.Builder blocks(int blockSize) {
        return TextOptions.builder().blockSize(blockSize);
    }

    private Path write(String name, String text) throws IOException {
        return Files.writeString(directory.resolve(name), text);
    }
}
