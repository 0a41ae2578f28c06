package org.finetune4j.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.service.AiServices;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ChainModel;
import org.finetune4j.model.chat.ChatMessage;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraInitialization;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.tensor.RandomGenerator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** LangChain4j's requests are answered as the model answers, whole and in pieces, with the adapter that they name. */
class FinetuneModelsTest {

    private static final String CALL =
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>";

    @TempDir
    private static Path folder;

    private static CausalLM model;
    private static Path adapters;
    private static FinetuneModels models;

    @BeforeAll
    static void load() {
        Path directory = ChainModel.write(folder.resolve("chain"), "Good ", "morning", " to you!");
        try (CausalLM base = CausalLM.load(directory);
                RandomGenerator.Use seeded = RandomGenerator.of(3).use();
                AdapterSet set = AdapterSet.of(base)) {
            set.add(
                    "other",
                    Lora.builder()
                            .rank(4)
                            .alpha(64)
                            .initialization(LoraInitialization.RANDOM)
                            .targetModules("all-linear")
                            .build());
            adapters = folder.resolve("adapters");
            set.save(adapters);
        }
        model = CausalLM.load(directory);
        models = FinetuneModels.builder(model).adapters(adapters).seed(5).build();
    }

    @AfterAll
    static void close() {
        models.close();
        model.close();
    }

    /** What a handler is told. */
    private static final class Heard implements StreamingChatResponseHandler {
        private final List<String> pieces = new ArrayList<>();
        private final CompletableFuture<ChatResponse> end = new CompletableFuture<>();
        private final Consumer<String> also;

        private Heard(Consumer<String> also) {
            this.also = also;
        }

        @Override
        public void onPartialResponse(String piece) {
            pieces.add(piece);
            also.accept(piece);
        }

        @Override
        public void onCompleteResponse(ChatResponse response) {
            end.complete(response);
        }

        @Override
        public void onError(Throwable error) {
            end.completeExceptionally(error);
        }
    }

    private static ChatRequest.Builder asking(String question) {
        return ChatRequest.builder().messages(SystemMessage.from("Be short."), UserMessage.from(question));
    }

    @Test
    void aQuestionIsAnsweredWholeAndInPieces() {
        assertEquals("Good morning to you!", models.chatModel().chat("hello"));
        Heard heard = new Heard(piece -> {});
        models.streamingChatModel().chat(asking("hello").build(), heard);
        ChatResponse response = heard.end.join();
        assertEquals("Good morning to you!", response.aiMessage().text());
        assertEquals("Good morning to you!", String.join("", heard.pieces));
        assertTrue(heard.pieces.size() > 1, heard.pieces.toString());
        assertEquals(FinishReason.STOP, response.finishReason());
        assertEquals("chain", response.modelName());
        assertEquals(4, response.tokenUsage().outputTokenCount());
    }

    @Test
    void lengthAndStopTextsEndAnAnswer() {
        ChatResponse cut =
                models.chatModel().chat(asking("x").maxOutputTokens(2).build());
        assertEquals("Good morning", cut.aiMessage().text());
        assertEquals(FinishReason.LENGTH, cut.finishReason());
        ChatResponse stopped = models.chatModel()
                .chat(asking("x").stopSequences(List.of("mor")).build());
        assertEquals("Good ", stopped.aiMessage().text());
    }

    @Test
    void aRequestNamesItsAdapter() {
        assertEquals(List.of("chain", "other"), models.names());
        ChatResponse named = models.chatModel()
                .chat(asking("hello")
                        .modelName("other")
                        .temperature(0.0)
                        .maxOutputTokens(6)
                        .build());
        ChatResponse same = models.chatModel("other")
                .chat(asking("hello").temperature(0.0).maxOutputTokens(6).build());
        assertEquals("other", named.modelName());
        assertEquals(named.aiMessage().text(), same.aiMessage().text());
        String alone;
        try (CausalLM own = CausalLM.load(folder.resolve("chain"));
                Adapter adapter = AdapterFormat.load(own, adapters.resolve("other"), false)) {
            alone = TextGenerator.of(own)
                    .chat(
                            List.of(ChatMessage.system("Be short."), ChatMessage.user("hello")),
                            GenerationOptions.greedy(6));
        }
        assertEquals(alone, named.aiMessage().text());
        assertNotEquals("Good morning to you!", alone);
        String unknown = assertThrows(UserErrorException.class, () -> models.chatModel("othr"))
                .getMessage();
        assertTrue(unknown.contains("did you mean 'other'"), unknown);
        ChatRequest wrong = asking("x").modelName("nobody").build();
        assertThrows(InvalidRequestException.class, () -> models.chatModel().chat(wrong));
    }

    @Test
    void manyThreadsAreAnsweredTogether() {
        ChatModel chat = models.chatModel();
        List<CompletableFuture<String>> answers = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            String question = "question " + i;
            answers.add(CompletableFuture.supplyAsync(() -> chat.chat(question)));
        }
        answers.forEach(answer -> assertEquals("Good morning to you!", answer.join()));
    }

    /** An application's interface, which LangChain4j implements. */
    interface Assistant {
        String ask(String question);
    }

    @Test
    void anApplicationUsesItThroughAnInterfaceOfItsOwn() {
        Assistant assistant = AiServices.builder(Assistant.class)
                .chatModel(models.chatModel())
                .build();
        assertEquals("Good morning to you!", assistant.ask("hello"));
    }

    /** A service of LangChain4j asks for the schema of what it returns, and a model that knows nothing of it keeps to it. */
    @Test
    void aServiceThatReturnsARecordHasOne() {
        Locator locator =
                AiServices.builder(Locator.class).chatModel(models.chatModel()).build();
        Place place = locator.find("hello");
        assertNotNull(place.city());
        String text = models.chatModel()
                .chat(asking("x")
                        .responseFormat(ResponseFormat.JSON)
                        .maxOutputTokens(8)
                        .build())
                .aiMessage()
                .text();
        assertTrue(text.strip().startsWith("{"), text);
    }

    @Test
    void aToolIsCalledWhereOneHasToBe() {
        ToolSpecification weather = ToolSpecification.builder()
                .name("weather")
                .parameters(JsonObjectSchema.builder()
                        .addEnumProperty("city", List.of("ROME", "OSLO"))
                        .required("city")
                        .build())
                .build();
        AiMessage message = models.chatModel()
                .chat(asking("x")
                        .toolSpecifications(weather)
                        .toolChoice(ToolChoice.REQUIRED)
                        .build())
                .aiMessage();
        assertEquals("weather", message.toolExecutionRequests().get(0).name());
        assertTrue(
                message.toolExecutionRequests().get(0).arguments().matches("\\{\"city\":\"(ROME|OSLO)\"}"),
                message.toString());
    }

    @Test
    void aCallOfAToolIsRecognised() {
        ToolSpecification weather = ToolSpecification.builder()
                .name("weather")
                .description("Tells the weather.")
                .parameters(JsonObjectSchema.builder().addStringProperty("city").build())
                .build();
        try (CausalLM caller = CausalLM.load(ChainModel.write(folder.resolve("caller"), "Wait. ", CALL));
                FinetuneModels own = FinetuneModels.builder(caller).build()) {
            ChatResponse response =
                    own.chatModel().chat(asking("x").toolSpecifications(weather).build());
            AiMessage message = response.aiMessage();
            assertEquals("Wait.", message.text());
            assertEquals("weather", message.toolExecutionRequests().get(0).name());
            assertEquals(
                    "{\"city\":\"Rome\"}",
                    message.toolExecutionRequests().get(0).arguments());
            assertEquals(FinishReason.TOOL_EXECUTION, response.finishReason());
            Heard heard = new Heard(piece -> {});
            own.streamingChatModel()
                    .chat(asking("x").toolSpecifications(weather).build(), heard);
            assertTrue(heard.end.join().aiMessage().hasToolExecutionRequests());
            assertEquals(List.of("Wait."), heard.pieces);
            ChatRequest next = ChatRequest.builder()
                    .messages(
                            UserMessage.from("x"),
                            message,
                            ToolExecutionResultMessage.from(
                                    message.toolExecutionRequests().get(0), "sunny"))
                    .toolSpecifications(weather)
                    .build();
            assertTrue(own.chatModel().chat(next).aiMessage().hasToolExecutionRequests());
            assertFalse(own.chatModel().chat(asking("x").build()).aiMessage().hasToolExecutionRequests());
        }
    }

    @Test
    void whatIsNotDoneIsRefusedByItsName() {
        ChatModel chat = models.chatModel();
        ChatRequest penalty = asking("x").frequencyPenalty(0.5).build();
        String message = assertThrows(UnsupportedFeatureException.class, () -> chat.chat(penalty))
                .getMessage();
        assertTrue(message.contains("frequencyPenalty"), message);
        ChatRequest image = ChatRequest.builder()
                .messages(UserMessage.from(ImageContent.from("https://example.org/x.png")))
                .build();
        assertThrows(UnsupportedFeatureException.class, () -> chat.chat(image));
        ChatRequest much = asking("x").maxOutputTokens(100_000).build();
        String room = assertThrows(InvalidRequestException.class, () -> chat.chat(much))
                .getMessage();
        assertTrue(room.contains("context has 512 tokens"), room);
    }

    @Test
    void aHandlerThatFailsEndsItsOwnAnswerOnly() {
        StreamingChatModel chat = models.streamingChatModel();
        Heard failing = new Heard(piece -> {
            throw new IllegalStateException("no");
        });
        chat.chat(asking("x").build(), failing);
        assertThrows(RuntimeException.class, failing.end::join);
        assertEquals("Good morning to you!", models.chatModel().chat("hello"));
    }

    /** A handler with a context hears every piece, and nothing more once it has cancelled. */
    @Test
    void aStreamIsCancelledByItsHandle() {
        List<String> pieces = new ArrayList<>();
        CompletableFuture<StreamingHandle> cancelled = new CompletableFuture<>();
        CompletableFuture<Object> end = new CompletableFuture<>();
        models.streamingChatModel().chat(asking("hello").build(), new StreamingChatResponseHandler() {
            @Override
            public void onPartialResponse(PartialResponse piece, PartialResponseContext context) {
                pieces.add(piece.text());
                context.streamingHandle().cancel();
                cancelled.complete(context.streamingHandle());
            }

            @Override
            public void onCompleteResponse(ChatResponse response) {
                end.complete(response);
            }

            @Override
            public void onError(Throwable error) {
                end.complete(error);
            }
        });
        assertTrue(cancelled.join().isCancelled());
        assertEquals("Good morning to you!", models.chatModel().chat("hello"), "others are answered");
        assertEquals(1, pieces.size(), pieces::toString);
        assertFalse(end.isDone());
    }

    enum City {
        ROME,
        OSLO
    }

    record Place(City city, boolean near) {}

    interface Locator {
        Place find(String question);
    }
}
