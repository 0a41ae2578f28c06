package org.finetune4j.serve;

import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.AnswerEnd;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.TokenText;
import org.finetune4j.model.chat.ChatTemplate;

/** A model with its words, read once. */
final class ServedModel {

    /** What conversations are put into where neither model nor adapter has a template, as llama.cpp does. */
    private static final String USUAL_TEMPLATE = "chatml";

    private static final String USUAL_END = "<|im_end|>";

    private final CausalLM model;
    private final String name;
    private final TokenText tokens;
    private final ChatTemplate template;
    private final boolean hasTemplate;
    private final Set<Integer> stopTokens;

    /** How answers to conversations are asked for and end. */
    record Form(ChatTemplate template, Set<Integer> stopTokens, List<String> stops) {}

    ServedModel(CausalLM model, String name) {
        this.model = model;
        this.name = name;
        this.tokens = new TokenText(model.tokenizer());
        Optional<ChatTemplate> own = model.chatTemplate();
        this.hasTemplate = own.isPresent();
        this.template = own.orElseGet(() -> ChatTemplate.named(USUAL_TEMPLATE, model.directory()));
        this.stopTokens = TextGenerator.of(model).stopTokens();
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
        return stopTokens;
    }

    /** The form of the base, or that of an adapter which has one. */
    Form form(Optional<ChatTemplate> ofAdapter) {
        if (ofAdapter.isEmpty()) {
            return new Form(template, stopTokens, hasTemplate ? List.of() : List.of(USUAL_END));
        }
        Set<Integer> stops = new HashSet<>(stopTokens);
        AnswerEnd.of(ofAdapter.get(), model.tokenizer()).ifPresent(stops::add);
        return new Form(ofAdapter.get(), stops, List.of());
    }

    int positions() {
        return model.network().maxPositions();
    }

    /** How many tokens there are. */
    long vocabulary() {
        return model.network().inputEmbedding().count();
    }
}
