package org.finetune4j.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;

/** Answers whole. */
final class FinetuneChatModel implements ChatModel {

    private final Answerer answerer;

    FinetuneChatModel(Answerer answerer) {
        this.answerer = answerer;
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
