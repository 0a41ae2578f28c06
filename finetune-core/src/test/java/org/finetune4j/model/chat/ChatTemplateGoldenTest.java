package org.finetune4j.model.chat;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.Json;
import org.finetune4j.TestJson;
import org.finetune4j.model.Tokenizer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/** Conversations read as transformers writes them, in the templates of real models. */
class ChatTemplateGoldenTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/chat");

    @TestFactory
    Stream<DynamicTest> renderingsAreThoseOfTransformers() {
        return Stream.of("llama3.2-instruct", "mistral-v0.3", "phi3", "qwen2.5", "qwen3")
                .flatMap(ChatTemplateGoldenTest::rows);
    }

    private static Stream<DynamicTest> rows(String family) {
        JsonNode golden;
        try {
            golden = TestJson.read(GOLDENS.resolve(family + ".chat.json"));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        ChatTemplate template =
                ChatTemplate.of(family, golden.path("chat_template").asText(), tokens(golden));
        List<DynamicTest> tests = new ArrayList<>();
        for (JsonNode row : golden.path("rows")) {
            String name = family + " " + row.path("case").asText() + " " + row.path("add_generation_prompt") + " "
                    + row.path("arguments");
            List<ChatMessage> messages =
                    messages(golden.path("conversations").path(row.path("case").asText()));
            tests.add(DynamicTest.dynamicTest(
                    name,
                    () -> assertEquals(row.path("text").asText(), template.render(messages, options(golden, row)))));
        }
        return tests.stream();
    }

    /** The renderings as ids of the real tokenizers, where a directory with those is named. */
    @TestFactory
    @EnabledIfEnvironmentVariable(named = "FINETUNE_SHARED", matches = ".+")
    Stream<DynamicTest> idsAreThoseOfTransformers() {
        return Stream.of("llama3.2-instruct", "mistral-v0.3", "phi3", "qwen2.5")
                .map(family -> DynamicTest.dynamicTest(family, () -> {
                    JsonNode golden = TestJson.read(GOLDENS.resolve(family + ".chat.json"));
                    String vocabulary = golden.path("tokenizer_json_of").asText(family);
                    Path directory = Path.of(System.getenv("FINETUNE_SHARED"), "data", "tokenizers", vocabulary);
                    try (Tokenizer tokenizer = Tokenizer.load(directory)) {
                        for (JsonNode row : golden.path("rows")) {
                            int[] expected = TestJson.ints(row.get("ids"));
                            assertArrayEquals(
                                    expected, tokenizer.encode(row.path("text").asText(), false));
                        }
                    }
                }));
    }

    static Map<String, String> tokens(JsonNode golden) {
        return TestJson.texts(golden.path("special_tokens"));
    }

    static ChatOptions options(JsonNode golden, JsonNode row) {
        ChatOptions options = ChatOptions.none()
                .withGenerationPrompt(row.path("add_generation_prompt").asBoolean());
        if (golden.path("template_of").asText().startsWith("llama3.2")) {
            // What the recording was made with, so that it does not change from day to day.
            options = options.with("date_string", "26 Jul 2024");
        }
        for (Map.Entry<String, JsonNode> argument : row.path("arguments").properties()) {
            JsonNode value = argument.getValue();
            options = switch (argument.getKey()) {
                case "tools" -> options.withTools(Json.toList(golden.path("TOOLS")));
                case "continue_final_message" -> options.continuingFinalMessage();
                default ->
                    options.with(
                            argument.getKey(),
                            Json.toList(Json.array().add(value)).get(0));
            };
        }
        return options;
    }

    static List<ChatMessage> messages(JsonNode conversation) {
        List<ChatMessage> messages = new ArrayList<>();
        for (JsonNode message : conversation) {
            messages.add(new ChatMessage(Json.toMap(message)));
        }
        return messages;
    }
}
