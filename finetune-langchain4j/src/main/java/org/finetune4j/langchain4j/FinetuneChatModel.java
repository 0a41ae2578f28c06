package org.finetune4j.langchain4j;

import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import java.util.Set;

/** Answers whole. */
final class FinetuneChatModel implements ChatModel {

    private final Answerer answerer;

    FinetuneChatModel(Answerer answerer) {
        this.answerer = answerer;
    }

    @Override
    public Set<Capability> supportedCapabilities() {
        return Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
    }

    @Override
    public ChatRequestParameters defaultRequestParameters() {
        return answerer.defaults();
    }

    @Override
    public ChatResponse doChat(ChatRequest request) {
        return answerer.end(answerer.begin(request, null));
    }
}
