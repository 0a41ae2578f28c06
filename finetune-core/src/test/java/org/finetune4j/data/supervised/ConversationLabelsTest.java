package org.finetune4j.data.supervised;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.Turn;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.model.chat.ChatTemplate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Which tokens of a conversation are learned: shown as the text with what is learned in brackets. */
class ConversationLabelsTest {

    private static final String CHAT = """
            {{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}\
            {% if add_generation_prompt %}<assistant>{% endif %}""";

    private static final Conversation TWO_TURNS = new Conversation(
            List.of(
                    Turn.system("Be kind."),
                    Turn.user("one"),
                    Turn.assistant("1"),
                    Turn.user("assistant? 1"),
                    Turn.assistant("2")),
            0,
            null);

    private final Tokenizer tokenizer = TestTokenizers.gpt2();

    @AfterEach
    void close() {
        tokenizer.close();
    }

    private static ChatTemplateRenderer renderer(String source, String bos) {
        return new ChatTemplateRenderer(ChatTemplate.of("test", source, Map.of("bos_token", bos)));
    }

    private String marked(Conversation conversation, TrainOn trainOn) {
        TokenizedExample example =
                new ConversationTokenizer(tokenizer, renderer(CHAT, ""), trainOn).tokenize(conversation);
        return marked(tokenizer, example);
    }

    private static String marked(Tokenizer tokenizer, TokenizedExample example) {
        StringBuilder out = new StringBuilder();
        List<Integer> run = new ArrayList<>();
        for (int i = 0; i < example.ids().length; i++) {
            run.add(example.ids()[i]);
            boolean ends = i + 1 == example.ids().length || example.trained()[i + 1] != example.trained()[i];
            if (ends) {
                String text = tokenizer.decode(
                        run.stream().mapToInt(Integer::intValue).toArray(), false);
                out.append(example.trained()[i] ? "[" + text + "]" : text);
                run.clear();
            }
        }
        return out.toString();
    }

    @Test
    void everyAnswerIsLearnedWithWhatEndsIt() {
        assertEquals(
                "<system>Be kind.<end><user>one<end><assistant>[1<end>]<user>assistant? 1<end><assistant>"
                        + "[2<end><|endoftext|>]",
                marked(TWO_TURNS, TrainOn.COMPLETIONS));
        assertEquals(marked(TWO_TURNS, TrainOn.COMPLETIONS), marked(TWO_TURNS, TrainOn.ASSISTANT));
    }

    @Test
    void theLastAnswerAloneOrEverything() {
        assertEquals(
                "<system>Be kind.<end><user>one<end><assistant>1<end><user>assistant? 1<end><assistant>"
                        + "[2<end><|endoftext|>]",
                marked(TWO_TURNS, TrainOn.LAST_TURN));
        assertEquals(
                "[<system>Be kind.<end><user>one<end><assistant>1<end><user>assistant? 1<end><assistant>"
                        + "2<end><|endoftext|>]",
                marked(TWO_TURNS, TrainOn.ALL));
    }

    @Test
    void aPromptOfItsOwnIsNotLearnedUnlessAllAnswersAre() {
        Conversation withPrompt = new Conversation(TWO_TURNS.turns(), 4, null);
        assertEquals(marked(TWO_TURNS, TrainOn.LAST_TURN), marked(withPrompt, TrainOn.COMPLETIONS));
        assertEquals(marked(TWO_TURNS, TrainOn.ASSISTANT), marked(withPrompt, TrainOn.ASSISTANT));
    }

    @Test
    void whatAMessageSaysOfItselfGoesFirst() {
        List<Turn> turns = new ArrayList<>(TWO_TURNS.turns());
        turns.set(2, new Turn("assistant", "1", null, null, null, null, false));
        assertEquals(marked(TWO_TURNS, TrainOn.LAST_TURN), marked(new Conversation(turns, 0, null), TrainOn.ASSISTANT));
    }

    @Test
    void aTemplateThatEndsATurnWithASpecialTokenNeedsNoOther() {
        String special = CHAT.replace("<end>", "<|endoftext|>");
        TokenizedExample example =
                new ConversationTokenizer(tokenizer, renderer(special, ""), TrainOn.LAST_TURN).tokenize(TWO_TURNS);
        assertTrue(marked(tokenizer, example).endsWith("<assistant>[2<|endoftext|>]"), marked(tokenizer, example));
        int eos = tokenizer.eosTokenId().getAsInt();
        assertEquals(5, Arrays.stream(example.ids()).filter(id -> id == eos).count());
    }

    @Test
    void theBeginningOfTheSequenceComesOnceWhetherTheTemplateOrTheTokenizerWritesIt() {
        try (Tokenizer llama = TestTokenizers.llama2()) {
            int bos = llama.bosTokenId().getAsInt();
            TokenizedExample example =
                    new ConversationTokenizer(llama, renderer(CHAT, "<s>"), TrainOn.ASSISTANT).tokenize(TWO_TURNS);
            assertEquals(bos, example.ids()[0]);
            assertEquals(1, Arrays.stream(example.ids()).filter(id -> id == bos).count());
        }
    }

    @Test
    void anInstructionGoesThroughTheTemplateWhenThereIsNoPromptOfItsOwn() {
        SupervisedOptions options = SupervisedOptions.builder()
                .promptTemplate(null)
                .renderer(renderer(CHAT, ""))
                .build();
        TokenizedExample example =
                new ExampleTokenizer(tokenizer, options).tokenize(new Instruction("Add.", "1 1", "2"));
        assertTrue(marked(tokenizer, example).endsWith("<assistant>[2<end><|endoftext|>]"), marked(tokenizer, example));
    }

    @Test
    void withoutATemplateAConversationIsRefusedWithTheRemedy() {
        SupervisedOptions options = SupervisedOptions.builder().build();
        UserErrorException e = assertThrows(
                UserErrorException.class, () -> new ExampleTokenizer(tokenizer, options).tokenize(TWO_TURNS));
        assertTrue(String.valueOf(e.getMessage()).contains("chat_template"), e.getMessage());
    }
}
