package org.finetune4j.langchain4j;

import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.finetune4j.generate.Rollout;

/**
 * Answers in pieces. The computing thread only puts them down; a thread of the request's own calls the handler, so that a slow one holds up
 * nobody else. What may be a call of a tool comes in one piece.
 */
final class FinetuneStreamingChatModel implements StreamingChatModel {

    /** No piece of a text is empty. */
    private static final String END = "";

    private final Answerer answerer;

    FinetuneStreamingChatModel(Answerer answerer) {
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
    public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
        BlockingQueue<String> pieces = new LinkedBlockingQueue<>();
        Answerer.Running running = answerer.begin(request, piece -> {
            if (!piece.isEmpty()) {
                pieces.add(piece);
            }
        });
        CompletableFuture<List<Rollout>> unused =
                running.handle().result().whenComplete((rollouts, failure) -> pieces.add(END));
        Thread thread = new Thread(() -> forward(running, pieces, handler), "finetune4j-stream");
        thread.setDaemon(true);
        thread.start();
    }

    /** Ends an answer that nobody wants to hear further; the handler is not called any more. */
    private record Cancellation(Answerer.Running running, AtomicBoolean cancelled) implements StreamingHandle {

        @Override
        public void cancel() {
            cancelled.set(true);
            running.handle().cancel();
        }

        @Override
        public boolean isCancelled() {
            return cancelled.get();
        }
    }

    private void forward(Answerer.Running running, BlockingQueue<String> pieces, StreamingChatResponseHandler handler) {
        StreamingHandle handle = new Cancellation(running, new AtomicBoolean());
        PartialResponseContext context = new PartialResponseContext(handle);
        try {
            boolean held = running.calls() != null;
            for (String piece = pieces.take(); !piece.equals(END); piece = pieces.take()) {
                if (!held && !handle.isCancelled()) {
                    handler.onPartialResponse(new PartialResponse(piece), context);
                }
            }
            if (handle.isCancelled()) {
                return;
            }
            ChatResponse response = answerer.end(running);
            if (held) {
                say(response, handler, context);
            }
            if (!handle.isCancelled()) {
                handler.onCompleteResponse(response);
            }
        } catch (InterruptedException | RuntimeException e) {
            running.handle().cancel();
            handler.onError(e);
        }
    }

    private static void say(
            ChatResponse response, StreamingChatResponseHandler handler, PartialResponseContext context) {
        String text = response.aiMessage().text();
        if (text != null && !text.isEmpty()) {
            handler.onPartialResponse(new PartialResponse(text), context);
        }
        int index = 0;
        for (var call : response.aiMessage().toolExecutionRequests()) {
            if (context.streamingHandle().isCancelled()) {
                return;
            }
            handler.onCompleteToolCall(new CompleteToolCall(index++, call));
        }
    }
}
