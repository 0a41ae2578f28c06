package org.finetune4j.data.supervised;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.format.PromptOnly;
import org.finetune4j.data.format.Turn;
import org.finetune4j.data.format.UnpairedPreference;
import org.finetune4j.model.Tokenizer;
import org.jspecify.annotations.Nullable;

/**
 * Turns what an example asks into tokens, in the words that supervised fine-tuning puts before its answer. Of a conversation that
 * is all before its last answer. Thread-safe.
 */
public final class PromptTokenizer {

    private final Tokenizer tokenizer;
    private final SupervisedOptions options;

    /**
     * Prepares to tokenise prompts.
     *
     * @param tokenizer of the model that answers, which must stay open
     * @param options prompts and chat template
     */
    public PromptTokenizer(Tokenizer tokenizer, SupervisedOptions options) {
        this.tokenizer = tokenizer;
        this.options = options;
    }

    /**
     * The prompt of an example.
     *
     * @param example of any kind but plain text and texts with classes
     * @return text and tokens, at least one
     * @throws UserErrorException when the example asks nothing, or needs a chat template and there is none; without its place
     */
    public TokenizedPrompt tokenize(Example example) {
        TokenizedPrompt prompt = prompt(example);
        if (prompt.ids().length == 0) {
            throw new UserErrorException("the prompt is empty");
        }
        return prompt;
    }

    private TokenizedPrompt prompt(Example example) {
        if (example instanceof PreferencePair pair) {
            return prompt(pair.chosen());
        }
        if (example instanceof UnpairedPreference judged) {
            return prompt(judged.example());
        }
        if (example instanceof Conversation conversation) {
            return conversation(beforeLastAnswer(conversation), conversation);
        }
        if (example instanceof PromptOnly prompt) {
            return prompt.isText() && options.promptTemplate() != null
                    ? text(prompt.turns().get(0).content())
                    : conversation(prompt.turns(), answered(prompt));
        }
        PromptTemplate template = options.promptTemplate();
        if (example instanceof Instruction instruction) {
            return template == null ? prompt(instruction.asConversation()) : text(template.prompt(instruction));
        }
        if (example instanceof PromptCompletion texts) {
            return template == null ? prompt(texts.asConversation()) : text(texts.prompt());
        }
        throw new UserErrorException("the record asks nothing that could be answered: a prompt was expected");
    }

    private TokenizedPrompt text(String text) {
        int[] own = tokenizer.encode(text, false);
        int[] leading = tokenizer.leadingSpecialTokens();
        boolean opened =
                own.length >= leading.length && Arrays.equals(own, 0, leading.length, leading, 0, leading.length);
        int[] ids = Arrays.copyOf(leading, (opened ? 0 : leading.length) + own.length);
        System.arraycopy(own, 0, ids, ids.length - own.length, own.length);
        return new TokenizedPrompt(text, ids);
    }

    /** Where the last answer begins the template says of a conversation that has one. */
    private TokenizedPrompt conversation(List<Turn> asked, Conversation answered) {
        ConversationRenderer renderer = options.renderer();
        if (renderer == null) {
            throw new UserErrorException(
                    "the record is a conversation, which needs a chat template, and the model has none:"
                            + " name a file with one as chat_template");
        }
        RenderedConversation rendered = renderer.render(answered);
        for (RenderedConversation.Span span : rendered.spans()) {
            if (span.turn() == asked.size()) {
                String text = rendered.text().substring(0, span.start());
                return new TokenizedPrompt(
                        text, tokenizer.encodeWithOffsets(text).ids());
            }
        }
        throw new UserErrorException("the chat template does not show where the answer begins");
    }

    private static List<Turn> beforeLastAnswer(Conversation conversation) {
        List<Turn> turns = conversation.turns();
        int last = turns.size() - 1;
        while (!turns.get(last).isAssistant()) {
            last--;
        }
        return turns.subList(0, last);
    }

    private static Conversation answered(PromptOnly prompt) {
        List<Turn> turns = new ArrayList<>(prompt.turns());
        turns.add(Turn.assistant("answer"));
        return new Conversation(turns, prompt.turns().size(), prompt.tools());
    }

    /**
     * The answer that an example has, as text.
     *
     * @param example of any kind
     * @return null where it has none
     */
    public static @Nullable String answer(Example example) {
        if (example instanceof Instruction instruction) {
            return instruction.output();
        }
        if (example instanceof PromptCompletion texts) {
            return texts.completion();
        }
        if (example instanceof Conversation conversation) {
            return conversation
                    .turns()
                    .get(beforeLastAnswer(conversation).size())
                    .content();
        }
        return null;
    }
}
