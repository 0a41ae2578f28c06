package org.finetune4j.model.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.supervised.AlpacaTemplate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The templates that are known by name write what those write that the models were published with. */
class BuiltInTemplatesTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/chat");

    @TempDir
    Path directory;

    private static ChatTemplate builtIn(String name, Map<String, String> tokens) {
        return ChatTemplate.of(name, BuiltInTemplates.source(name), tokens);
    }

    private static Stream<Arguments> published() throws IOException {
        JsonNode golden = TestJson.read(GOLDENS.resolve("built-in.json"));
        return StreamSupport.stream(golden.path("rows").spliterator(), false)
                .map(row -> Arguments.of(
                        row.path("name").asText(),
                        row.path("conversation").asText(),
                        row.path("add_generation_prompt").asBoolean(),
                        golden.path("conversations")
                                .path(row.path("conversation").asText()),
                        row.has("error") ? null : row.path("text").asText()));
    }

    @ParameterizedTest(name = "{0} {1} {2}")
    @MethodSource("published")
    void renderingsAreThoseOfThePublishedTemplates(
            String name, String conversation, boolean prompt, JsonNode messages, String expected) {
        ChatTemplate template = builtIn(name, Map.of("bos_token", "<s>", "eos_token", "</s>"));
        ChatOptions options = ChatOptions.none().withGenerationPrompt(prompt);
        if (expected == null) {
            assertThrows(
                    UserErrorException.class,
                    () -> template.render(ChatTemplateGoldenTest.messages(messages), options));
        } else {
            assertEquals(expected, template.render(ChatTemplateGoldenTest.messages(messages), options));
        }
    }

    @ParameterizedTest
    @CsvSource({"mistral, mistral-v0.3", "phi3, phi3", "qwen, qwen2.5"})
    void renderingsAreThoseRecordedWithTheRealTemplate(String name, String family) throws IOException {
        JsonNode golden = TestJson.read(GOLDENS.resolve(family + ".chat.json"));
        ChatTemplate template = builtIn(name, ChatTemplateGoldenTest.tokens(golden));
        assertTrue(golden.path("rows").size() > 20);
        for (JsonNode row : golden.path("rows")) {
            List<ChatMessage> messages = ChatTemplateGoldenTest.messages(
                    golden.path("conversations").path(row.path("case").asText()));
            String text = template.render(messages, ChatTemplateGoldenTest.options(golden, row));
            assertEquals(row.path("text").asText(), text, row.path("case").asText());
        }
    }

    @ParameterizedTest
    @MethodSource("org.finetune4j.model.chat.ChatTemplate#builtInNames")
    void everyNameHasItsTemplateAndItsAnswersAreFound(String name) {
        List<ChatMessage> chat = List.of(
                ChatMessage.user("Q1"),
                ChatMessage.assistant("A1"),
                ChatMessage.user("Q2"),
                ChatMessage.assistant("A2"));
        RenderedChat rendered = builtIn(name, Map.of("bos_token", "<s>", "eos_token", "</s>"))
                .renderWithSpans(chat, ChatOptions.none());
        List<String> answers = rendered.spans().stream()
                .map(span -> rendered.text().substring(span.start(), span.end()))
                .toList();
        assertEquals(2, answers.size());
        assertTrue(answers.get(0).strip().matches("A1 ?<.*>"), answers.toString());
        assertTrue(answers.get(1).strip().matches("A2 ?<.*>"), answers.toString());
    }

    @Test
    void alpacaAsksAsThePromptTemplateOfInstructionsDoes() {
        String plain = new AlpacaTemplate().prompt(new Instruction("Say it.", "", ""));
        List<ChatMessage> question = List.of(ChatMessage.user("Say it."));
        Map<String, String> gpt2 = Map.of("bos_token", "<|endoftext|>", "eos_token", "<|endoftext|>");
        Map<String, String> llama = Map.of("bos_token", "<s>", "eos_token", "</s>");
        assertEquals(plain, builtIn("alpaca", gpt2).render(question, ChatOptions.generation()));
        assertEquals("<s>" + plain, builtIn("alpaca", llama).render(question, ChatOptions.generation()));
    }

    @Test
    void vicunaWritesAsItsPaperDoes() {
        assertEquals(
                "<s>S USER: Q ASSISTANT: A</s>USER: R ASSISTANT:",
                builtIn("vicuna", Map.of("bos_token", "<s>", "eos_token", "</s>"))
                        .render(
                                List.of(
                                        ChatMessage.system("S"),
                                        ChatMessage.user("Q"),
                                        ChatMessage.assistant("A"),
                                        ChatMessage.user("R")),
                                ChatOptions.generation()));
    }

    @Test
    void aSettingIsANameOrAFileOrADirectory() throws IOException {
        List<ChatMessage> question = List.of(ChatMessage.user("Q"));
        Path model = Files.createDirectory(directory.resolve("model"));
        Files.writeString(model.resolve("tokenizer_config.json"), "{\"bos_token\": \"<mine>\"}");
        Path other = Files.createDirectory(directory.resolve("other"));
        Files.writeString(other.resolve("tokenizer_config.json"), "{\"bos_token\": \"<theirs>\"}");
        Files.writeString(other.resolve("chat_template.jinja"), "{{ bos_token }}{{ messages[0].content }}");
        assertEquals(
                "<mine><start_of_turn>user\nQ<end_of_turn>\n",
                ChatTemplate.named("gemma", model).render(question, ChatOptions.none()));
        for (Path path : List.of(other, other.resolve("chat_template.jinja"))) {
            assertEquals("<mine>Q", ChatTemplate.named(path.toString(), model).render(question, ChatOptions.none()));
        }
    }

    @ParameterizedTest
    @CsvSource({"chatlm, chatml", "llama-3, llama3", "Zephyr, zephyr", "phi_3, phi3"})
    void anUnknownNameIsToldTheNearest(String name, String nearest) {
        UserErrorException e = assertThrows(UserErrorException.class, () -> ChatTemplate.named(name, null));
        assertTrue(String.valueOf(e.getMessage()).endsWith("did you mean '" + nearest + "'?"), e.getMessage());
    }

    /** Without tools a conversation is what it always was. */
    @Test
    void chatmlShowsToolsAndCalls() {
        ChatTemplate chatml = ChatTemplate.named("chatml", null);
        List<ChatMessage> conversation = List.of(ChatMessage.system("Be brief."), ChatMessage.user("Rain?"));
        assertEquals(
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nRain?<|im_end|>\n<|im_start|>assistant\n",
                chatml.render(conversation, ChatOptions.generation()));
        ChatOptions options = ChatOptions.generation()
                .withTools(List.of(Map.of("type", "function", "function", Map.of("name", "weather"))));
        String shown = chatml.render(conversation, options);
        String beginning = "<|im_start|>system\nBe brief.\n\nThese functions may be called:\n<tools>\n{";
        assertTrue(shown.startsWith(beginning) && shown.contains("\"weather\""), shown);
        assertTrue(shown.endsWith("<|im_start|>user\nRain?<|im_end|>\n<|im_start|>assistant\n"), shown);
    }

    @Test
    void aSavedTemplateIsLoadedAgainWithTheOneForTools() throws IOException {
        Path from = Files.createDirectory(directory.resolve("from"));
        Path to = Files.createDirectory(directory.resolve("to"));
        Files.writeString(
                from.resolve("tokenizer_config.json"),
                "{\"chat_template\": [{\"name\": \"default\", \"template\": \"plain\"},"
                        + " {\"name\": \"tool_use\", \"template\": \"tools\"}]}");
        ChatTemplate.load(from).orElseThrow().save(to);
        ChatTemplate loaded = ChatTemplate.load(to).orElseThrow();
        List<ChatMessage> question = List.of(ChatMessage.user("Q"));
        assertEquals("plain", loaded.render(question, ChatOptions.none()));
        assertEquals("tools", loaded.render(question, ChatOptions.none().withTools(List.of(Map.of("name", "f")))));
        assertEquals("plain", loaded.source());
    }
}
