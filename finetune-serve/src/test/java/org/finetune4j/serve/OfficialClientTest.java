package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonSchemaLocalValidation;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.UnauthorizedException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.FunctionDefinition;
import com.openai.models.FunctionParameters;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ChainModel;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** OpenAI's own client for Java works with the server as with OpenAI's. */
class OfficialClientTest {

    private static final String CALL =
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>";

    @TempDir
    private static Path folder;

    private static CausalLM random;
    private static CausalLM caller;
    private static ModelServer server;
    private static ModelServer calling;
    private static OpenAIClient client;

    @BeforeAll
    static void start() {
        random = CausalLM.load(ServedFiles.model(folder));
        caller = CausalLM.load(ChainModel.write(folder.resolve("caller"), "Wait. ", CALL));
        server = ModelServer.builder(random)
                .port(0)
                .apiKeys(ApiKeys.of("secret"))
                .start();
        calling = ModelServer.builder(caller).port(0).start();
        client = client(server, "secret");
    }

    @AfterAll
    static void stop() {
        client.close();
        calling.close();
        server.close();
        caller.close();
        random.close();
    }

    private static OpenAIClient client(ModelServer of, String key) {
        return OpenAIOkHttpClient.builder()
                .baseUrl(of.address() + "/v1")
                .apiKey(key)
                .maxRetries(0)
                .build();
    }

    private static ChatCompletionCreateParams.Builder chat(String model) {
        return ChatCompletionCreateParams.builder()
                .model(model)
                .addSystemMessage("Be short.")
                .addUserMessage("hello");
    }

    @Test
    void modelsAreListed() {
        assertEquals("tiny", client.models().list().data().get(0).id());
        assertEquals("tiny", client.models().retrieve("tiny").id());
    }

    @Test
    void severalSeededAnswersWithLogprobsComeWholeAndInPieces() {
        ChatCompletionCreateParams params = chat("tiny")
                .maxCompletionTokens(12)
                .temperature(0.9)
                .seed(11)
                .n(2)
                .logprobs(true)
                .topLogprobs(3)
                .build();
        ChatCompletion whole = client.chat().completions().create(params);
        assertEquals(2, whole.choices().size());
        assertEquals(24, whole.usage().orElseThrow().completionTokens());
        assertEquals(
                ChatCompletion.Choice.FinishReason.LENGTH,
                whole.choices().get(0).finishReason());
        var logprobs = whole.choices().get(0).logprobs().orElseThrow().content().orElseThrow();
        assertEquals(12, logprobs.size());
        assertEquals(3, logprobs.get(0).topLogprobs().size());
        assertTrue(logprobs.get(0).logprob() <= 0);
        ChatCompletionAccumulator accumulator = ChatCompletionAccumulator.create();
        ChatCompletionCreateParams streamed = params.toBuilder()
                .streamOptions(
                        ChatCompletionStreamOptions.builder().includeUsage(true).build())
                .build();
        try (StreamResponse<ChatCompletionChunk> stream =
                client.chat().completions().createStreaming(streamed)) {
            stream.stream().forEach(accumulator::accumulate);
        }
        ChatCompletion joined = accumulator.chatCompletion();
        for (int choice = 0; choice < 2; choice++) {
            assertEquals(
                    whole.choices().get(choice).message().content(),
                    joined.choices().get(choice).message().content());
        }
        assertEquals(
                whole.usage().orElseThrow().totalTokens(),
                joined.usage().orElseThrow().totalTokens());
    }

    @Test
    void aStopTextEndsATextsContinuation() {
        CompletionCreateParams params = CompletionCreateParams.builder()
                .model("tiny")
                .prompt("the")
                .maxTokens(24)
                .temperature(0)
                .build();
        String all = client.completions().create(params).choices().get(0).text();
        String stop = all.substring(6, 8);
        Completion stopped =
                client.completions().create(params.toBuilder().stop(stop).build());
        assertEquals(
                all.substring(0, all.indexOf(stop)), stopped.choices().get(0).text());
        StringBuilder pieces = new StringBuilder();
        try (StreamResponse<Completion> stream = client.completions()
                .createStreaming(params.toBuilder().stop(stop).build())) {
            stream.stream().forEach(event -> event.choices().forEach(choice -> pieces.append(choice.text())));
        }
        assertEquals(stopped.choices().get(0).text(), pieces.toString());
    }

    @Test
    void aCallOfAToolComesAsOne() {
        ChatCompletionCreateParams params = chat("caller")
                .addFunctionTool(FunctionDefinition.builder()
                        .name("weather")
                        .parameters(FunctionParameters.builder()
                                .putAdditionalProperty("type", JsonValue.from("object"))
                                .putAdditionalProperty(
                                        "properties", JsonValue.from(Map.of("city", Map.of("type", "string"))))
                                .build())
                        .build())
                .build();
        OpenAIClient own = client(calling, "any");
        try {
            ChatCompletion whole = own.chat().completions().create(params);
            ChatCompletionAccumulator accumulator = ChatCompletionAccumulator.create();
            try (StreamResponse<ChatCompletionChunk> stream =
                    own.chat().completions().createStreaming(params)) {
                stream.stream().forEach(accumulator::accumulate);
            }
            for (ChatCompletion answer : List.of(whole, accumulator.chatCompletion())) {
                ChatCompletion.Choice choice = answer.choices().get(0);
                assertEquals(ChatCompletion.Choice.FinishReason.TOOL_CALLS, choice.finishReason());
                assertEquals("Wait.", choice.message().content().orElseThrow());
                var call = choice.message().toolCalls().orElseThrow().get(0).asFunction();
                assertEquals("weather", call.function().name());
                assertEquals("{\"city\":\"Rome\"}", call.function().arguments());
            }
            ChatCompletion without =
                    own.chat().completions().create(chat("caller").build());
            assertEquals(
                    "Wait. " + CALL,
                    without.choices().get(0).message().content().orElseThrow());
        } finally {
            own.close();
        }
    }

    /** The client makes the schema of a class, and an object of the answer; the model knows nothing of either. */
    @Test
    void anObjectOfAClassComesBack() {
        var params = chat("tiny")
                .responseFormat(Weather.class, JsonSchemaLocalValidation.YES)
                .maxCompletionTokens(100)
                .build();
        Weather weather = client.chat()
                .completions()
                .create(params)
                .choices()
                .get(0)
                .message()
                .content()
                .orElseThrow();
        assertTrue(weather.sky != null && weather.wind != null, "every property is there");
    }

    /** What the client makes a schema of. */
    static final class Weather {
        public Sky sky;
        public Boolean wind;

        enum Sky {
            CLEAR,
            GREY
        }
    }

    @Test
    void errorsAreThoseThatTheClientKnows() {
        assertThrows(
                NotFoundException.class,
                () -> client.chat().completions().create(chat("nobody").build()));
        BadRequestException penalty = assertThrows(BadRequestException.class, () -> client.chat()
                .completions()
                .create(chat("tiny").presencePenalty(0.5).build()));
        assertEquals("presence_penalty", penalty.param().orElseThrow());
        OpenAIClient stranger = client(server, "wrong");
        try {
            assertThrows(UnauthorizedException.class, () -> stranger.models().list());
        } finally {
            stranger.close();
        }
    }
}
