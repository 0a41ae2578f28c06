package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import dev.langchain4j.model.output.FinishReason;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ChainModel;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** LangChain4j's module for OpenAI works with the server. */
class LangChain4jClientTest {

    private static final String CALL =
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>";

    @TempDir
    private static Path folder;

    private static CausalLM model;
    private static ModelServer server;

    @BeforeAll
    static void start() {
        model = CausalLM.load(ChainModel.write(folder.resolve("caller"), "Wait ", "for it. ", CALL));
        server = ModelServer.builder(model).port(0).start();
    }

    @AfterAll
    static void stop() {
        server.close();
        model.close();
    }

    private static OpenAiChatModel whole() {
        return OpenAiChatModel.builder()
                .baseUrl(server.address() + "/v1")
                .apiKey("any")
                .modelName("caller")
                .seed(3)
                .build();
    }

    private static ChatResponse streamed(ChatRequest request, StringBuilder pieces) {
        CompletableFuture<ChatResponse> end = new CompletableFuture<>();
        OpenAiStreamingChatModel.builder()
                .baseUrl(server.address() + "/v1")
                .apiKey("any")
                .modelName("caller")
                .build()
                .chat(request, new StreamingChatResponseHandler() {
                    @Override
                    public void onPartialResponse(String piece) {
                        pieces.append(piece);
                    }

                    @Override
                    public void onCompleteResponse(ChatResponse response) {
                        end.complete(response);
                    }

                    @Override
                    public void onError(Throwable error) {
                        end.completeExceptionally(error);
                    }
                });
        return end.join();
    }

    @Test
    void aQuestionIsAnsweredWholeAndInPieces() {
        assertEquals("Wait for it. " + CALL, whole().chat("hello"));
        ChatRequest request = ChatRequest.builder()
                .messages(UserMessage.from("hello"))
                .maxOutputTokens(2)
                .build();
        StringBuilder pieces = new StringBuilder();
        ChatResponse response = streamed(request, pieces);
        assertEquals("Wait for it. ", pieces.toString());
        assertEquals(FinishReason.LENGTH, response.finishReason());
        assertEquals(2, response.tokenUsage().outputTokenCount());
    }

    @Test
    void aCallOfAToolIsOne() {
        ChatRequest request = ChatRequest.builder()
                .messages(UserMessage.from("hello"))
                .toolSpecifications(ToolSpecification.builder().name("weather").build())
                .build();
        ChatResponse response = whole().chat(request);
        assertEquals(FinishReason.TOOL_EXECUTION, response.finishReason());
        assertEquals(
                "{\"city\":\"Rome\"}",
                response.aiMessage().toolExecutionRequests().get(0).arguments());
        ChatResponse inPieces = streamed(request, new StringBuilder());
        assertTrue(inPieces.aiMessage().hasToolExecutionRequests(), inPieces.toString());
        assertEquals(
                "weather", inPieces.aiMessage().toolExecutionRequests().get(0).name());
    }
}
