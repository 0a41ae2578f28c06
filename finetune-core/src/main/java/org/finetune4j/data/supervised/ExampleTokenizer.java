package org.finetune4j.data.supervised;

import java.util.Arrays;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.LabelledText;
import org.finetune4j.data.format.PlainText;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.format.PromptOnly;
import org.finetune4j.data.format.UnpairedPreference;
import org.finetune4j.model.Tokenizer;
import org.jspecify.annotations.Nullable;

/** Turns any example that can be learned from its tokens into tokens with marks. Thread-safe. */
public final class ExampleTokenizer {

    private final Tokenizer tokenizer;
    private final SupervisedOptions options;
    private final PromptCompletionTokenizer instructions;
    private final @Nullable ConversationTokenizer conversations;

    /**
     * Prepares to tokenise examples.
     *
     * @param tokenizer of the model that learns
     * @param options lengths, templates and what is learned
     * @throws UserErrorException when the tokenizer has no end-of-sequence token
     */
    public ExampleTokenizer(Tokenizer tokenizer, SupervisedOptions options) {
        this.tokenizer = tokenizer;
        this.options = options;
        this.instructions = new PromptCompletionTokenizer(tokenizer);
        ConversationRenderer renderer = options.renderer();
        this.conversations =
                renderer == null ? null : new ConversationTokenizer(tokenizer, renderer, options.trainOn());
    }

    /**
     * The tokens of an example.
     *
     * @param example of any kind that the options allow
     * @return the tokens, before truncation
     * @throws UserErrorException when this kind of example cannot be learned this way; without its place
     */
    public TokenizedExample tokenize(Example example) {
        if (example instanceof Conversation conversation) {
            return conversation(conversation);
        }
        if (example instanceof Instruction instruction) {
            PromptTemplate template = options.promptTemplate();
            return template == null
                    ? conversation(instruction.asConversation())
                    : texts(template.prompt(instruction), template.completion(instruction));
        }
        if (example instanceof PromptCompletion texts) {
            return options.promptTemplate() == null
                    ? conversation(texts.asConversation())
                    : texts(texts.prompt(), texts.completion());
        }
        if (example instanceof PlainText text) {
            return all(instructions.tokenize("", text.text()));
        }
        if (example instanceof PreferencePair pair && options.chosenOnly()) {
            return tokenize(pair.chosen());
        }
        throw new UserErrorException(refusal(example));
    }

    private TokenizedExample conversation(Conversation conversation) {
        if (conversations == null) {
            throw new UserErrorException(
                    "the record is a conversation, which needs a chat template, and the model has none: name a file with one as chat_template");
        }
        return conversations.tokenize(conversation);
    }

    private TokenizedExample texts(String prompt, String completion) {
        TokenizedExample example = instructions.tokenize(prompt, completion);
        return options.trainOn() == TrainOn.ALL ? all(example) : example;
    }

    private static TokenizedExample all(TokenizedExample example) {
        boolean[] trained = new boolean[example.ids().length];
        Arrays.fill(trained, true);
        return new TokenizedExample(example.ids(), trained, example.leadingLength());
    }

    private static String refusal(Example example) {
        if (example instanceof PreferencePair) {
            return "the record is a preference pair, which supervised fine-tuning cannot compare;"
                    + " set preference_chosen_only: true to learn the chosen answers, or dataset_format to another format";
        }
        if (example instanceof UnpairedPreference) {
            return "the record is a judged answer, which supervised fine-tuning cannot use;"
                    + " set dataset_format to another format, such as prompt_completion or messages";
        }
        if (example instanceof PromptOnly) {
            return "the record is a prompt without an answer; name the key of the answer, such as columns: {prompt: prompt,"
                    + " completion: KEY}, or choose a stage that answers prompts itself, such as grpo";
        }
        if (example instanceof LabelledText) {
            return "the record is a text with a class; give templates that put it into words, such as"
                    + " templates: [{inputs: \"{text}\", targets: \"{label}\"}]";
        }
        throw new IllegalArgumentException("unexpected " + example);
    }

    /** {@return the tokenizer that this one uses} */
    public Tokenizer tokenizer() {
        return tokenizer;
    }
}
