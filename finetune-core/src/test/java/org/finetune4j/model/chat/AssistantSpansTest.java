package org.finetune4j.model.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where the answers lie in a rendered conversation: what the model itself would have to write, no more and no less. */
class AssistantSpansTest {

    private static final List<ChatMessage> TWO_TURNS = List.of(
            ChatMessage.user("Q1"),
            ChatMessage.assistant("A1"),
            ChatMessage.user("Q2 A1"),
            ChatMessage.assistant("A2"));

    private static ChatTemplate template(String family) throws IOException {
        ObjectMapper json = new ObjectMapper();
        JsonNode golden = json.readTree(Path.of("src/test/resources/goldens/chat", family + ".chat.json")
                .toFile());
        return ChatTemplate.of(
                family,
                golden.path("chat_template").asText(),
                json.convertValue(golden.path("special_tokens"), new TypeReference<Map<String, String>>() {}));
    }

    private static List<String> answers(ChatTemplate template, List<ChatMessage> messages) {
        RenderedChat chat = template.renderWithSpans(messages, ChatOptions.none());
        assertEquals(template.render(messages, ChatOptions.none()), chat.text());
        return chat.spans().stream()
                .map(span -> chat.text().substring(span.start(), span.end()).replace("\n", "~"))
                .toList();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '#', textBlock = """
            llama3.2-instruct # A1<|eot_id|> # A2<|eot_id|>
            qwen2.5 # A1<|im_end|> # A2<|im_end|>
            qwen3 # A1<|im_end|> # <think>~~</think>~~A2<|im_end|>
            phi3 # A1<|end|> # A2<|end|>
            """)
    void anAnswerEndsWithWhatEndsItsTurn(String family, String first, String last) throws IOException {
        assertEquals(List.of(first, last), answers(template(family), TWO_TURNS));
    }

    @Test
    void aTemplateWithoutAHeaderForAnswersHasThemToo() throws IOException {
        assertEquals(List.of(" A1</s>", " A2</s>"), answers(template("mistral-v0.3"), TWO_TURNS));
    }

    @Test
    void aTemplateThatMarksAnswersIsBelieved() {
        ChatTemplate marking = ChatTemplate.of(
                "marking",
                "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}{% generation %}{{ m.content }}</s>"
                        + "{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
                Map.of());
        assertEquals(List.of("A1</s>", "A2</s>"), answers(marking, TWO_TURNS));
    }

    @Test
    void aTemplateThatRewritesWhatCameBeforeIsRefused() {
        ChatTemplate counting = ChatTemplate.of(
                "counting",
                "{{ messages|length }}:{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
                        + "{% if add_generation_prompt %}<assistant>{% endif %}",
                Map.of());
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> counting.renderWithSpans(TWO_TURNS, ChatOptions.none()));
        assertTrue(String.valueOf(e.getMessage()).contains("{% generation %}"), e.getMessage());
    }

    @Test
    void bracesInAMessageAreText() throws IOException {
        List<ChatMessage> messages =
                List.of(ChatMessage.user("{{ 7 * 7 }} {% if %}"), ChatMessage.assistant("{{ messages }}"));
        assertEquals(List.of("{{ messages }}<|im_end|>"), answers(template("qwen2.5"), messages));
        assertTrue(template("qwen2.5").render(messages, ChatOptions.none()).contains("{{ 7 * 7 }} {% if %}"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '#', quoteCharacter = '`', textBlock = """
            {{ ''.getClass() }}
            {{ messages.getClass().forName('java.lang.Runtime') }}
            {{ messages[0].content.getBytes() }}
            """)
    void aTemplateCannotReachJava(String source) {
        ChatTemplate template = ChatTemplate.of("hostile", source, Map.of());
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> template.render(TWO_TURNS, ChatOptions.none()));
        assertTrue(String.valueOf(e.getMessage()).contains("is not known"), e.getMessage());
    }

    @Test
    void aTemplateThatRefusesSaysWhy() throws IOException {
        ChatTemplate mistral = template("mistral-v0.3");
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> mistral.render(List.of(ChatMessage.user("a"), ChatMessage.user("b")), ChatOptions.none()));
        assertTrue(
                String.valueOf(e.getMessage()).startsWith("mistral-v0.3: the chat template refuses"), e.getMessage());
    }
}
