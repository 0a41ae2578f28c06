package org.finetune4j.model.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where a model keeps its chat templates, in the order and with the names that transformers knows. */
class ChatTemplateFilesTest {

    private static final List<ChatMessage> QUESTION = List.of(ChatMessage.user("Q"));
    private static final ChatOptions TOOLS = ChatOptions.none().withTools(List.of(Map.of("name", "f")));

    @TempDir
    Path directory;

    private void write(String name, String content) throws IOException {
        Path file = directory.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, content);
    }

    private String rendered(ChatOptions options) {
        return ChatTemplate.load(directory).orElseThrow().render(QUESTION, options);
    }

    @Test
    void aModelWithoutOneHasNone() throws IOException {
        assertEquals(Optional.empty(), ChatTemplate.load(directory));
        write("tokenizer_config.json", "{}");
        assertEquals(Optional.empty(), ChatTemplate.load(directory));
        assertEquals(Optional.empty(), ChatTemplate.source(directory));
    }

    @Test
    void aFileOfItsOwnComesFirstThenTheOldJsonThenTheConfiguration() throws IOException {
        write("tokenizer_config.json", "{\"chat_template\": \"config {{ bos_token }}\", \"bos_token\": \"<s>\"}");
        assertEquals("config <s>", rendered(ChatOptions.none()));
        write("chat_template.json", "{\"chat_template\": \"json {{ bos_token }}\"}");
        assertEquals("json <s>", rendered(ChatOptions.none()));
        write("chat_template.jinja", "own {{ bos_token }}");
        assertEquals("own <s>", rendered(ChatOptions.none()));
        assertEquals(Optional.of("own {{ bos_token }}"), ChatTemplate.source(directory));
    }

    @Test
    void conversationsWithToolsGetTheTemplateForThem() throws IOException {
        write(
                "tokenizer_config.json",
                "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"tools\"},"
                        + " {\"name\": \"default\", \"template\": \"plain\"}, {\"name\": \"rag\", \"template\": \"rag\"}]}");
        assertEquals("plain", rendered(ChatOptions.none()));
        assertEquals("tools", rendered(TOOLS));
        write("chat_template.jinja", "own");
        write("additional_chat_templates/tool_use.jinja", "own tools");
        assertEquals("own", rendered(ChatOptions.none()));
        assertEquals("own tools", rendered(TOOLS));
    }

    @Test
    void noneOfSeveralIsGuessed() throws IOException {
        write("tokenizer_config.json", "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"rag\"}]}");
        UserErrorException e = assertThrows(UserErrorException.class, () -> ChatTemplate.load(directory));
        assertTrue(String.valueOf(e.getMessage()).contains("rag none is called 'default'"), e.getMessage());
    }

    @Test
    void specialTokensMayStandInTheOldMap() throws IOException {
        write("chat_template.jinja", "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}");
        write("special_tokens_map.json", "{\"bos_token\": \"<old>\", \"eos_token\": {\"content\": \"</s>\"}}");
        assertEquals("<old></s>False", rendered(ChatOptions.none()));
        write("tokenizer_config.json", "{\"bos_token\": {\"content\": \"<s>\"}, \"pad_token\": null}");
        assertEquals("<s></s>False", rendered(ChatOptions.none()));
    }

    @Test
    void aSavedModelHasThemAll() throws IOException {
        write("chat_template.jinja", "own");
        write("chat_template.json", "{\"chat_template\": \"json\"}");
        write("additional_chat_templates/tool_use.jinja", "tools");
        Path copy = directory.resolve("copy");
        ModelFiles.copyAll(directory, copy);
        assertEquals("tools", Files.readString(copy.resolve("additional_chat_templates/tool_use.jinja")));
        assertEquals("own", Files.readString(copy.resolve("chat_template.jinja")));
        assertEquals("{\"chat_template\": \"json\"}", Files.readString(copy.resolve("chat_template.json")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"/dev/zero", "/dev/null", "/dev/tty", "/"})
    void whatIsNoFileIsNotRead(String target) throws IOException {
        Path link = Files.createSymbolicLink(directory.resolve("chat_template.jinja"), Path.of(target));
        for (Executable reading : List.<Executable>of(
                () -> ChatTemplate.load(directory),
                () -> ChatTemplate.source(directory),
                () -> ChatTemplate.read(link, null))) {
            UserErrorException e = assertThrows(UserErrorException.class, reading);
            assertTrue(String.valueOf(e.getMessage()).startsWith("cannot read " + link + ": it is "), e.getMessage());
        }
    }

    @Test
    void aPipeIsNotWaitedFor() throws IOException, InterruptedException {
        Path pipe = directory.resolve("pipe");
        assumeTrue(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor() == 0, "mkfifo");
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> ChatTemplate.named(pipe.toString(), directory));
        assertEquals("cannot read " + pipe + ": it is no ordinary file", e.getMessage());
    }

    @Test
    void aFileLargerThanAnyTemplateIsNotRead() throws IOException {
        Path large = directory.resolve("chat_template.jinja");
        try (RandomAccessFile file = new RandomAccessFile(large.toFile(), "rw")) {
            file.setLength(1L << 40);
        }
        UserErrorException e = assertThrows(UserErrorException.class, () -> ChatTemplate.load(directory));
        assertEquals("cannot read " + large + ": it is larger than 64 MiB", e.getMessage());
    }

    @Test
    void aFileThatIsNoTextIsRefused() throws IOException {
        Path file = Files.write(directory.resolve("chat_template.jinja"), new byte[] {'a', (byte) 0xff, 'b'});
        UserErrorException e = assertThrows(UserErrorException.class, () -> ChatTemplate.load(directory));
        assertEquals("cannot read " + file + ": it is no text in UTF-8", e.getMessage());
    }

    @Test
    void theLineEndAtTheEndOfATemplateFileIsNoPartOfIt() throws IOException {
        write("chat_template.jinja", "{{ messages[0].content }}{% if add_generation_prompt %}\n<a>\n{% endif %}\n");
        assertEquals("Q<a>\n", rendered(ChatOptions.generation()));
    }
}
