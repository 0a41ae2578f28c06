package org.finetune4j.serve;

import java.util.Optional;
import java.util.Set;
import org.finetune4j.generate.ConversationForm;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.TokenText;
import org.finetune4j.model.chat.ChatTemplate;

/** A model with its words, read once. */
final class ServedModel {

    private final CausalLM model;
    private final String name;
    private final TokenText tokens;
    private final ConversationForm form;
    private final boolean hasTemplate;

    ServedModel(CausalLM model, String name) {
        this.model = model;
        this.name = name;
        this.tokens = new TokenText(model.tokenizer());
        this.form = ConversationForm.of(model);
        this.hasTemplate = model.chatTemplate().isPresent();
    }

    CausalLM model() {
        return model;
    }

    String name() {
        return name;
    }

    TokenText tokens() {
        return tokens;
    }

    boolean hasTemplate() {
        return hasTemplate;
    }

    /** What ends a text. */
    Set<Integer> stopTokens() {
        return form.stopTokens();
    }

    /** The form of the base, or that of an adapter which has a template of its own. */
    ConversationForm form(Optional<ChatTemplate> ofAdapter) {
        return ofAdapter.map(own -> ConversationForm.of(model, own)).orElse(form);
    }

    int positions() {
        return model.network().maxPositions();
    }

    /** How many tokens there are. */
    long vocabulary() {
        return model.network().inputEmbedding().count();
    }
}
