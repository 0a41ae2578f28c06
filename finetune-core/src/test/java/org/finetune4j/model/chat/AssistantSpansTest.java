package org.finetune4j.model.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.jinja.RenderSession;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Where the answers lie in a rendered conversation: what the model itself would have to write, no more and no less. */
class AssistantSpansTest {

    private static final List<ChatMessage> TWO_TURNS = List.of(
            ChatMessage.user("Q1"),
            ChatMessage.assistant("A1"),
            ChatMessage.user("Q2 A1"),
            ChatMessage.assistant("A2"));

    private static ChatTemplate template(String family) throws IOException {
        JsonNode golden = TestJson.read(Path.of("src/test/resources/goldens/chat", family + ".chat.json"));
        return ChatTemplate.of(
                family, golden.path("chat_template").asText(), TestJson.texts(golden.path("special_tokens")));
    }

    private static List<String> answers(ChatTemplate template, List<ChatMessage> messages) {
        RenderedChat chat = template.renderWithSpans(messages, ChatOptions.none());
        assertEquals(template.render(messages, ChatOptions.none()), chat.text());
        return chat.spans().stream()
                .map(span -> chat.text().substring(span.start(), span.end()).replace("\n", "~"))
                .toList();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '#', commentCharacter = '\0', textBlock = """
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

    /** What templates of real models do that the text before an answer is no beginning of the whole. */
    @ParameterizedTest
    @CsvSource(delimiter = '#', commentCharacter = '\0', quoteCharacter = '`', textBlock = """
            <a>{{ '<think>~' if add_generation_prompt }} # {{ m.content }}<end>~ # # A1<end> # A2<end>
            <a>{{ '<think>~' if add_generation_prompt }} # <think></think>{{ m.content }}<end>~ # # </think>A1<end> # </think>A2<end>
            <a>~ # ~{{ m.content }}<end> # {% if not add_generation_prompt %}<eos>{% endif %} # A1<end> # A2<end>
            <a> # {{ m.content }}<end> # {% if not add_generation_prompt %}<u>{% endif %} # A1<end> # A2<end>
            <a> # |say|{{ m.content }}{{ '<stop>' if loop.last else '<end>' }} # # |say|A1<end> # |say|A2<stop>
            <a> # {{ m.content }}<end> # {{ messages|length }} # A1<end> # A2<end>
            """)
    void whatTheTemplateWritesBesideTheAnswerIsNotLearned(
            String header, String answer, @Nullable String tail, String first, String last) {
        String source = ("<bos>{% for m in messages %}{% if m.role == 'user' %}<u>{{ m.content }}<end>~{% else %}"
                        + "<a>" + answer + "{% endif %}{% endfor %}" + (tail == null ? "" : tail)
                        + "{% if add_generation_prompt %}" + header + "{% endif %}")
                .replace("~", "\n");
        ChatTemplate template = ChatTemplate.of("hub/template", source, Map.of("bos_token", "<bos>"));
        assertEquals(List.of(first, last), answers(template, TWO_TURNS));
    }

    @Test
    void aCallOfAToolIsLearnedWithWhatEndsIt() {
        ChatTemplate template = ChatTemplate.of(
                "calling",
                "{% for m in messages %}<{{ m.role }}>{% if m.tool_calls %}{{ m.tool_calls|tojson }}{% else %}"
                        + "{{ m.content }}{% endif %}<end>{% endfor %}"
                        + "{% if add_generation_prompt %}<assistant><think>{% endif %}",
                Map.of());
        Map<String, Object> call = new LinkedHashMap<>();
        call.put("role", "assistant");
        call.put("content", null);
        call.put("tool_calls", List.of(Map.of("function", Map.of("name", "f"))));
        assertEquals(
                List.of("[{\"function\": {\"name\": \"f\"}}]<end>", "A<end>"),
                answers(
                        template,
                        List.of(
                                ChatMessage.user("Q"),
                                new ChatMessage(call),
                                ChatMessage.of("tool", "3"),
                                ChatMessage.assistant("A"))));
    }

    @Test
    void aTurnInSeveralMarkedBlocksIsOneTurn() {
        ChatTemplate marking = ChatTemplate.of(
                "marking",
                "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %} "
                        + "{% if loop.last %}{% generation %}<end>{% endgeneration %}{% endif %}"
                        + "{% else %}<u>{{ m.content }}{% endif %}{% endfor %}",
                Map.of());
        RenderedChat chat = marking.renderWithSpans(TWO_TURNS, ChatOptions.none());
        assertEquals(List.of("A1", "A2", "<end>"), answers(marking, TWO_TURNS));
        assertEquals(
                List.of(1, 3, 3),
                chat.spans().stream().map(RenderedChat.Span::message).toList());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '#', commentCharacter = '\0', quoteCharacter = '`', textBlock = """
            {% for m in messages %}<{{ m.role }}>{% for part in m.content %}{{ part.text }}{% endfor %}<end>{% endfor %} # one piece
            {% for m in messages %}<{{ m.role }}>{{ m.content }}{{ m.content }}<end>{% endfor %}{{ messages|length }} # one piece
            {% for m in messages %}({{ m.role }}){{ m.content }}{% endfor %}</s> # ends otherwise
            """)
    void aTemplateWhereTheAnswerCannotBeToldApartIsRefused(String source, String why) {
        ChatTemplate template = ChatTemplate.of("hub/template", source, Map.of());
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> template.renderWithSpans(TWO_TURNS, ChatOptions.none()));
        assertTrue(String.valueOf(e.getMessage()).startsWith("hub/template: the answer in message 2 "), e.getMessage());
        assertTrue(String.valueOf(e.getMessage()).contains(why), e.getMessage());
        assertTrue(String.valueOf(e.getMessage()).contains("{% generation %}"), e.getMessage());
    }

    @Test
    void aMessageIsContinuedWhereItsOwnTextEnds() throws IOException {
        // "im" also stands in the marker that ends the turn.
        List<ChatMessage> messages = List.of(ChatMessage.user("Q"), ChatMessage.assistant("im"));
        String text = template("qwen2.5").render(messages, ChatOptions.none().continuingFinalMessage());
        assertTrue(text.endsWith("<|im_start|>assistant\nim"), text);
    }

    @Test
    void bracesInAMessageAreText() throws IOException {
        List<ChatMessage> messages =
                List.of(ChatMessage.user("{{ 7 * 7 }} {% if %}"), ChatMessage.assistant("{{ messages }}"));
        assertEquals(List.of("{{ messages }}<|im_end|>"), answers(template("qwen2.5"), messages));
        assertTrue(template("qwen2.5").render(messages, ChatOptions.none()).contains("{{ 7 * 7 }} {% if %}"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '#', commentCharacter = '\0', quoteCharacter = '`', textBlock = """
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

    @ParameterizedTest
    @CsvSource(delimiterString = "=>", textBlock = """
            llama3.2-instruct => Welcome!<|eot_id|> => Hi.<|eot_id|>
            qwen2.5 => Welcome!<|im_end|> => Hi.<|im_end|>
            qwen3 => Welcome!<|im_end|> => <think>~~</think>~~Hi.<|im_end|>
            phi3 => Welcome!<|end|> => Hi.<|end|>
            """)
    void anAssistantMaySpeakFirst(String family, String first, String last) throws IOException {
        List<ChatMessage> messages =
                List.of(ChatMessage.assistant("Welcome!"), ChatMessage.user("Hello"), ChatMessage.assistant("Hi."));
        assertEquals(List.of(first, last), answers(template(family), messages));
        assertEquals(
                List.of(first),
                answers(template(family), messages.subList(0, 1)).stream()
                        .map(answer -> answer.replace("<think>~~</think>~~", ""))
                        .toList());
    }

    /** Templates that refuse what nobody wrote: no question yet, no message of the system, a question in another place. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% if messages[0].role != 'system' %}{{ raise_exception('system!') }}{% endif %}",
                "{% if not tools %}{{ raise_exception('tools!') }}{% endif %}",
                "{% if messages[1].role != 'user' %}{{ raise_exception('user!') }}{% endif %}",
                "{% if messages|length < 3 %}{{ raise_exception('short!') }}{% endif %}",
                "{% if messages|length != 5 %}{{ raise_exception('others!') }}{% endif %}",
                "{% if messages[-1].role == 'user' and not add_generation_prompt %}{{ raise_exception('ask!') }}{% endif %}",
                "{% if messages[-1].role != 'user' and add_generation_prompt %}{{ raise_exception('wait!') }}{% endif %}",
                "{% for m in messages %}{% if m.content not in ['S', 'Q1', 'A1', 'Q2', 'A2'] %}"
                        + "{{ raise_exception('words!') }}{% endif %}{% endfor %}",
                "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 is odd) %}"
                        + "{{ raise_exception('turns!') }}{% endif %}{% endfor %}",
                "{{ strftime_now('%H:%M:%S') if messages|length > 0 }}"
            })
    void aTemplateThatRefusesWhatNobodyWroteIsAskedOtherwise(String demand) {
        ChatTemplate template = ChatTemplate.of(
                "demanding",
                demand + "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<end>{% endfor %}"
                        + "{% if add_generation_prompt %}<|assistant|>{% endif %}",
                Map.of());
        List<ChatMessage> messages = List.of(
                ChatMessage.system("S"),
                ChatMessage.user("Q1"),
                ChatMessage.assistant("A1"),
                ChatMessage.user("Q2"),
                ChatMessage.assistant("A2"));
        RenderedChat chat =
                template.renderWithSpans(messages, ChatOptions.none().withTools(List.of(Map.of("name", "f"))));
        List<String> answers = chat.spans().stream()
                .map(span -> chat.text().substring(span.start(), span.end()))
                .toList();
        assertEquals(List.of("A1<end>", "A2<end>"), answers);
    }

    @Test
    void aCallWhoseAnswerTheTemplateDemandsEndsAsOtherAnswersDo() {
        ChatTemplate template = ChatTemplate.of(
                "demanding",
                "{% if messages[-1].tool_calls %}{{ raise_exception('no answer of the tool') }}{% endif %}"
                        + "{% for m in messages %}<|{{ m.role }}|>{{ m.tool_calls|tojson if m.tool_calls else m.content }}"
                        + "<end>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
                Map.of());
        Map<String, Object> call = new LinkedHashMap<>();
        call.put("role", "assistant");
        call.put("tool_calls", List.of(Map.of("function", Map.of("name", "f"))));
        assertEquals(
                List.of("[{\"function\": {\"name\": \"f\"}}]<end>", "A<end>"),
                answers(
                        template,
                        List.of(
                                ChatMessage.user("Q"),
                                new ChatMessage(call),
                                ChatMessage.of("tool", "3"),
                                ChatMessage.assistant("A"))));
    }

    @Test
    void aMessageIsContinuedThoughTheTemplateRefusesOtherWords() {
        ChatTemplate template = ChatTemplate.of(
                "strict",
                "{% for m in messages %}{% if m.content not in ['Q', 'A'] %}{{ raise_exception('no') }}{% endif %}"
                        + "<{{ m.role }}>{{ m.content }}<end>{% endfor %}",
                Map.of());
        assertEquals(
                "<user>Q<end><assistant>A",
                template.render(
                        List.of(ChatMessage.user("Q"), ChatMessage.assistant("A")),
                        ChatOptions.none().continuingFinalMessage()));
    }

    @Test
    @Timeout(value = 2, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void whatAnswersAreFoundByIsBoundedAsAWhole() {
        ChatTemplate template = ChatTemplate.of(
                "slow",
                "{% for a in range(1000) %}{% for b in range(300) %}{% endfor %}{% endfor %}"
                        + "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}",
                Map.of());
        List<ChatMessage> messages = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            messages.add(ChatMessage.user("Q" + i));
            messages.add(ChatMessage.assistant("A" + i));
        }
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> template.renderWithSpans(
                        messages, ChatOptions.none(), RenderSession.limited(2_000_000, 6_000_000)));
        assertTrue(
                String.valueOf(e.getMessage()).startsWith("slow: finding the answers in what the chat template writes"),
                e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"{%% generation %%}", "{%%- generation -%%}", "{%% generation -%%}", "{%%-  generation%%}"})
    void answersAreMarkedInEverySpellingOfTheBlock(String start) {
        ChatTemplate template = ChatTemplate.of(
                "marked",
                "{% for m in messages %}{% if m.role == 'assistant' %}" + start.replace("%%", "%")
                        + "{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
                Map.of());
        assertEquals(List.of("A1", "A2"), answers(template, TWO_TURNS));
    }
}
