package org.finetune4j.data.supervised;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.PlainText;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.format.PromptOnly;
import org.finetune4j.data.format.Turn;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.model.chat.ChatTemplate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A policy is asked in the words that it was taught in. */
class PromptTokenizerTest {

    private static final String CHAT = """
            {% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}\
            {% if add_generation_prompt %}<assistant>{% endif %}""";

    private static final SupervisedOptions ALPACA = SupervisedOptions.builder()
            .promptTemplate(new AlpacaTemplate())
            .renderer(new ChatTemplateRenderer(ChatTemplate.of("test", CHAT, Map.of())))
            .build();
    private static final SupervisedOptions CHATTING = new SupervisedOptions(
            1024, ALPACA.truncation(), null, ALPACA.renderer(), ALPACA.trainOn(), false, ALPACA.sharing(), 1);

    private final Tokenizer tokenizer = TestTokenizers.gpt2();

    @AfterEach
    void close() {
        tokenizer.close();
    }

    static Stream<Example> answered() {
        return Stream.of(
                new Instruction("Add.", "1 2", "3"),
                new PromptCompletion("1 + 2 =", " 3"),
                new Conversation(
                        List.of(Turn.user("one"), Turn.assistant("1"), Turn.user("two"), Turn.assistant("2")),
                        0,
                        null));
    }

    @ParameterizedTest
    @MethodSource("answered")
    void aPromptIsWhatComesBeforeTheLearnedAnswer(Example example) {
        for (SupervisedOptions options : List.of(ALPACA, CHATTING)) {
            int[] prompt =
                    new PromptTokenizer(tokenizer, options).tokenize(example).ids();
            TokenizedExample learned = new ExampleTokenizer(tokenizer, options).tokenize(example);
            assertArrayEquals(prompt, Arrays.copyOf(learned.ids(), prompt.length));
            assertTrue(learned.trained()[prompt.length] && !learned.trained()[prompt.length - 1]);
        }
    }

    @Test
    void aPromptWithoutAnAnswerIsATextOrGoesIntoTheChatTemplate() {
        PromptOnly text = PromptOnly.of("1 + 2 =");
        PromptOnly messages = new PromptOnly(List.of(Turn.system("Be kind."), Turn.user("one")), null, false);
        assertEquals(
                "1 + 2 =", new PromptTokenizer(tokenizer, ALPACA).tokenize(text).text());
        assertEquals(
                "<user>1 + 2 =<end><assistant>",
                new PromptTokenizer(tokenizer, CHATTING).tokenize(text).text());
        assertEquals(
                "<system>Be kind.<end><user>one<end><assistant>",
                new PromptTokenizer(tokenizer, ALPACA).tokenize(messages).text());
    }

    @Test
    void theAnswerOfARecordIsItsLastOne() {
        assertEquals(
                List.of("3", " 3", "2"), answered().map(PromptTokenizer::answer).toList());
        PromptCompletion good = new PromptCompletion("a", "b");
        assertArrayEquals(
                new PromptTokenizer(tokenizer, ALPACA).tokenize(good).ids(),
                new PromptTokenizer(tokenizer, ALPACA)
                        .tokenize(new PreferencePair(good, new PromptCompletion("a", "c")))
                        .ids());
    }

    @Test
    void whatAsksNothingIsRefused() {
        PromptTokenizer prompts = new PromptTokenizer(tokenizer, ALPACA);
        assertThrows(UserErrorException.class, () -> prompts.tokenize(new PlainText("text")));
        assertThrows(UserErrorException.class, () -> prompts.tokenize(PromptOnly.of("")));
        assertThrows(UserErrorException.class, () -> new PromptOnly(List.of(Turn.assistant("me")), null, false));
    }
}
