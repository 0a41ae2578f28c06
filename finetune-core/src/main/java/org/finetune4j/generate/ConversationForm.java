package org.finetune4j.generate;

import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.finetune4j.model.AnswerEnd;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatTemplate;

/**
 * How a model is asked in conversations, whoever asks it, and what ends its answers.
 *
 * @param template that conversations are put into
 * @param stopTokens that end an answer
 * @param stopStrings that end it where no token does
 */
public record ConversationForm(ChatTemplate template, Set<Integer> stopTokens, List<String> stopStrings) {

    /** What conversations are put into where neither model nor adapter has a template, as llama.cpp does. */
    private static final String USUAL_TEMPLATE = "chatml";

    private static final String USUAL_END = "<|im_end|>";

    /**
     * Copies the collections.
     *
     * @param template that conversations are put into
     * @param stopTokens that end an answer
     * @param stopStrings that end it where no token does
     */
    public ConversationForm {
        stopTokens = Set.copyOf(stopTokens);
        stopStrings = List.copyOf(stopStrings);
    }

    /**
     * The form of a model: its own template, or a usual one, whose end is text to a vocabulary that does not know it.
     *
     * @param model with a tokenizer
     * @return the form
     */
    public static ConversationForm of(CausalLM model) {
        Optional<ChatTemplate> own = model.chatTemplate();
        return new ConversationForm(
                own.orElseGet(() -> ChatTemplate.named(USUAL_TEMPLATE, model.directory())),
                TextGenerator.of(model).stopTokens(),
                own.isPresent() ? List.of() : List.of(USUAL_END));
    }

    /**
     * The form of an adapter that was trained in a template of its own, whose end the model's files need not know.
     *
     * @param model that the adapter is on
     * @param ofAdapter its template
     * @return the form
     */
    public static ConversationForm of(CausalLM model, ChatTemplate ofAdapter) {
        Set<Integer> stops = new HashSet<>(TextGenerator.of(model).stopTokens());
        AnswerEnd.of(ofAdapter, model.tokenizer()).ifPresent(stops::add);
        return new ConversationForm(ofAdapter, stops, List.of());
    }
}
