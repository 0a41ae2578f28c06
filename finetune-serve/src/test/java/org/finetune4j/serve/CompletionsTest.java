package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.finetune4j.Json;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatMessage;
import org.finetune4j.model.chat.ChatTemplate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Answers are those of the model, in OpenAI's form; what is not done is refused by name. */
class CompletionsTest {

    private static final String TEXTS = "/v1/completions";
    private static final String CHAT = "/v1/chat/completions";

    @TempDir
    private static Path folder;

    private static CausalLM model;
    private static ModelServer server;
    private static ServerClient client;

    @BeforeAll
    static void start() {
        model = CausalLM.load(ServedFiles.model(folder));
        server = ModelServer.builder(model).port(0).start();
        client = new ServerClient(server);
    }

    @AfterAll
    static void stop() {
        server.close();
        model.close();
    }

    /** Else a page could have its own name lead here, and would be of one origin with the server (DNS rebinding). */
    @ParameterizedTest
    @CsvSource({
        "evil.example, 403",
        "localhost.evil.example:8000, 403",
        "127.0.0.1.evil.example, 403",
        "localhost, 200",
        "127.0.0.1:8000, 200",
        "[::1]:8000, 200",
        "box, 200",
        "page.localhost:1, 200",
        "host.docker.internal, 200"
    })
    void aServerWithoutKeysThatOnlyThisMachineHearsAnswersToItsNamesOnly(String host, int status) throws IOException {
        try (RawClient raw = new RawClient(server)) {
            String answer = raw.send("GET /v1/models HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
                    .answer();
            assertTrue(answer.startsWith("HTTP/1.1 " + status), answer);
        }
    }

    @Test
    void aTextIsContinuedAsTheModelContinuesIt() {
        String expected = TextGenerator.of(model).generate("the cat", GenerationOptions.greedy(9));
        ServerClient.Answer answer =
                client.post(TEXTS, ServerClient.completion("the cat", 9).toString());
        assertEquals(200, answer.status(), answer.body());
        assertEquals(expected, answer.text(0));
        assertEquals("text_completion", answer.json().path("object").asText());
        assertEquals(
                "length",
                answer.json().path("choices").path(0).path("finish_reason").asText());
        assertEquals(9, answer.json().path("usage").path("completion_tokens").asInt());
    }

    @Test
    void aConversationIsPutIntoTheTemplate() {
        ChatTemplate template = ChatTemplate.named("chatml", model.directory());
        model.useChatTemplate(template);
        String expected;
        try {
            expected = TextGenerator.of(model).chat(List.of(ChatMessage.user("hello")), GenerationOptions.greedy(8));
        } finally {
            model.useChatTemplate(null);
        }
        ServerClient.Answer answer =
                client.post(CHAT, ServerClient.chat("hello", 8).toString());
        assertEquals(200, answer.status(), answer.body());
        assertEquals(expected, answer.text(0));
        ObjectNode parts = ServerClient.chat("hello", 8);
        ((ObjectNode) parts.path("messages").path(0))
                .putArray("content")
                .addObject()
                .put("type", "text")
                .put("text", "hello");
        assertEquals(expected, client.post(CHAT, parts.toString()).text(0));
    }

    @ParameterizedTest
    @ValueSource(strings = {TEXTS, CHAT})
    void aStreamSaysTheSameInPieces(String path) {
        ObjectNode body = path.equals(TEXTS) ? ServerClient.completion("a dog", 20) : ServerClient.chat("a dog", 20);
        body.put("n", 2).put("temperature", 0.9).put("seed", 11);
        if (path.equals(TEXTS)) {
            body.put("logprobs", 2);
        } else {
            body.put("logprobs", true).put("top_logprobs", 2);
        }
        ServerClient.Answer whole = client.post(path, body.toString());
        assertEquals(200, whole.status(), whole.body());
        body.put("stream", true).putObject("stream_options").put("include_usage", true);
        ServerClient.Answer stream = client.post(path, body.toString());
        assertEquals(200, stream.status(), stream.body());
        assertTrue(stream.body().endsWith("data: [DONE]\n\n"), stream.body());
        List<JsonNode> events = stream.events();
        for (int number = 0; number < 2; number++) {
            int choice = number;
            List<JsonNode> own = events.stream()
                    .flatMap(event -> event.path("choices").valueStream())
                    .filter(node -> node.path("index").asInt() == choice)
                    .toList();
            String text = own.stream()
                    .map(node -> path.equals(TEXTS)
                            ? node.path("text").asText("")
                            : node.path("delta").path("content").asText(""))
                    .collect(Collectors.joining());
            assertEquals(whole.text(choice), text);
            assertEquals("length", own.get(own.size() - 1).path("finish_reason").asText());
            JsonNode logprobs = whole.json().path("choices").path(choice).path("logprobs");
            String key = path.equals(TEXTS) ? "tokens" : "content";
            long streamed = own.stream()
                    .mapToLong(node -> node.path("logprobs").path(key).size())
                    .sum();
            assertEquals(logprobs.path(key).size(), streamed);
        }
        JsonNode usage = events.get(events.size() - 1).path("usage");
        for (String tokens : List.of("prompt_tokens", "completion_tokens", "total_tokens")) {
            assertEquals(whole.json().path("usage").path(tokens), usage.path(tokens), tokens);
        }
    }

    @Test
    void aSeedDecidesWhatIsDrawn() {
        ObjectNode body =
                ServerClient.completion("one", 12).put("temperature", 1).put("seed", 5);
        String first = client.post(TEXTS, body.toString()).text(0);
        assertEquals(first, client.post(TEXTS, body.toString()).text(0));
        assertTrue(
                !first.equals(client.post(TEXTS, body.put("seed", 6).toString()).text(0)), first);
    }

    @ParameterizedTest
    @ValueSource(doubles = {1e-9, 1e-38, 1e-300, 4.9e-324})
    void nearlyNoTemperatureIsNone(double temperature) {
        ObjectNode body = ServerClient.completion("one", 12);
        String expected = client.post(TEXTS, body.toString()).text(0);
        body.put("temperature", temperature);
        ServerClient.Answer drawn = client.post(TEXTS, body.toString());
        assertEquals(expected, drawn.text(0), drawn.body());
        ServerClient.Answer reported =
                client.post(TEXTS, body.put("logprobs", 1).toString());
        assertEquals(expected, reported.text(0), reported.body());
    }

    @Test
    void aBodyThatIsCompressedIsRefusedByTheNameOfItsEncoding() {
        for (String encoding : List.of("gzip", "br", "identity, gzip")) {
            ServerClient.Answer answer = client.send(client.request(TEXTS)
                    .header("Content-Encoding", encoding)
                    .POST(HttpRequest.BodyPublishers.ofString(
                            ServerClient.completion("x", 2).toString()))
                    .build());
            assertEquals(415, answer.status(), answer.body());
            assertTrue(answer.error("message").contains(encoding), answer.body());
        }
    }

    @Test
    void variablesOfTheTemplateAreNotTheConversation() {
        ObjectNode body = ServerClient.chat("x", 2);
        body.putObject("chat_template_kwargs").putArray("messages");
        ServerClient.Answer answer = client.post(CHAT, body.toString());
        assertEquals(400, answer.status(), answer.body());
        assertEquals("chat_template_kwargs", answer.error("param"));
    }

    @Test
    void aMethodThatAPathHasNotIsSaid() {
        ServerClient.Answer answer = client.get(TEXTS);
        assertEquals(405, answer.status());
        assertEquals("method not allowed: GET /v1/completions", answer.error("message"));
        assertEquals("POST", answer.response().headers().firstValue("Allow").orElse(""));
    }

    @Test
    void aStopTextEndsTheAnswerAndIsNoPartOfIt() {
        String all = client.post(TEXTS, ServerClient.completion("the", 24).toString())
                .text(0);
        String stop = all.substring(6, 8);
        ObjectNode body = ServerClient.completion("the", 24);
        body.putArray("stop").add(stop);
        ServerClient.Answer answer = client.post(TEXTS, body.toString());
        assertEquals(all.substring(0, all.indexOf(stop)), answer.text(0));
        assertEquals(
                "stop",
                answer.json().path("choices").path(0).path("finish_reason").asText());
        body.put("stream", true);
        String streamed = client.post(TEXTS, body.toString()).events().stream()
                .map(event -> event.path("choices").path(0).path("text").asText(""))
                .collect(Collectors.joining());
        assertEquals(answer.text(0), streamed);
    }

    /** Whoever asks with tools reads a text as it comes, too: what is no call is not held back. */
    @Test
    void aTextBesideToolsIsStreamed() {
        ObjectNode body = ServerClient.chat("hello", 12);
        body.putArray("tools")
                .addObject()
                .put("type", "function")
                .putObject("function")
                .put("name", "weather");
        String whole = client.post(CHAT, body.toString()).text(0);
        List<JsonNode> events =
                client.post(CHAT, body.put("stream", true).toString()).events();
        String streamed = events.stream()
                .map(event -> event.path("choices")
                        .path(0)
                        .path("delta")
                        .path("content")
                        .asText(""))
                .collect(Collectors.joining());
        assertEquals(whole, streamed);
        assertTrue(events.size() > 4, "pieces: " + events.size());
    }

    /** The template of models that have none shows them. */
    @Test
    void toolsAreShownToTheModel() {
        ObjectNode body = ServerClient.chat("hello", 2);
        body.putArray("tools")
                .addObject()
                .put("type", "function")
                .putObject("function")
                .put("name", "weather");
        assertEquals(200, client.post(CHAT, body.toString()).status());
        ServerClient.Answer without =
                client.post(CHAT, ServerClient.chat("hello", 2).toString());
        ServerClient.Answer with = client.post(CHAT, body.toString());
        assertTrue(
                with.json().path("usage").path("prompt_tokens").asInt()
                        > without.json().path("usage").path("prompt_tokens").asInt(),
                "the usual template shows them");
    }

    /** Offsets are of the tokens, whatever of the text is held back for a stop. */
    @Test
    void offsetsOfAStreamAreThoseOfTheWholeAnswer() {
        ObjectNode body = ServerClient.completion("the", 24).put("logprobs", 0);
        String all = client.post(TEXTS, body.toString()).text(0);
        body.putArray("stop").add(all.substring(2, 4) + "no such text").add(all.substring(9, 11));
        List<Integer> whole = offsets(client.post(TEXTS, body.toString()).json());
        List<Integer> streamed = client.post(TEXTS, body.put("stream", true).toString()).events().stream()
                .flatMap(event -> offsets(event).stream())
                .toList();
        assertEquals(whole, streamed);
    }

    private static List<Integer> offsets(JsonNode answer) {
        List<Integer> offsets = new ArrayList<>();
        answer.path("choices").path(0).path("logprobs").path("text_offset").forEach(at -> offsets.add(at.asInt()));
        return offsets;
    }

    @Test
    void severalPromptsAreAnsweredInTheirOrder() {
        ObjectNode body = ServerClient.completion("", 5);
        body.putArray("prompt").add("one").add("two");
        ServerClient.Answer both = client.post(TEXTS, body.toString());
        assertEquals(
                client.post(TEXTS, ServerClient.completion("one", 5).toString()).text(0), both.text(0));
        assertEquals(
                client.post(TEXTS, ServerClient.completion("two", 5).toString()).text(0), both.text(1));
        int[] ids = model.tokenizer().encode("two", true);
        ObjectNode tokens = ServerClient.completion("", 5);
        tokens.set("prompt", Json.of(ids));
        assertEquals(both.text(1), client.post(TEXTS, tokens.toString()).text(0));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "logit_bias | {\"5\": 1}",
                "presence_penalty | 0.5",
                "response_format | {\"type\": \"yaml\"}",
                "response_format | {\"type\": \"json_schema\"}",
                "response_format | {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"type\": \"strin\"}}}",
                "best_of | 3",
                "include_stop_str_in_output | true",
                "skip_special_tokens | false",
                "num_beams | 4",
                "max_new_tokens | 4",
                "echo | true",
                "suffix | \"x\"",
                "temperature | -1",
                "temperature | \"hot\"",
                "top_p | 1.5",
                "min_tokens | 5",
                "max_tokens | 0",
                "max_tokens | 1.5",
                "max_tokens | 100000",
                "n | 0",
                "n | 1000",
                "stop | [\"\"]",
                "stop | 5",
                "seed | 1e400",
                "seed | \"x\"",
                "stream | \"yes\"",
                "stream_options | {\"include_usage\": true}",
                "logprobs | 50",
                "prompt | []",
                "prompt | [-1]",
                "prompt | [99999999]",
                "prompt | [1.5]",
                "prompt | [[1], 5]",
                "prompt | {}",
                "prompt | null",
                "model | 7"
            })
    void whatIsWrongOrNotDoneIsSaidByTheFieldsName(String field, String value) {
        ObjectNode body = ServerClient.completion("x", 4);
        String text = body.toString();
        body.remove(field);
        text = body.toString()
                .replaceFirst(
                        "\\{", "{\"" + field + "\": " + value.replace("\\", "\\\\") + (body.isEmpty() ? "" : ","));
        ServerClient.Answer answer = client.post(TEXTS, text);
        assertEquals(400, answer.status(), answer.body());
        assertEquals("invalid_request_error", answer.error("type"));
        assertTrue(
                answer.error("param").equals(field)
                        || answer.error("message").contains(field)
                        || field.equals("seed")
                        || field.equals("max_tokens"),
                answer.body());
        assertTrue(answer.json().path("error").has("code"));
    }

    @Test
    void aWrongLimitIsRefusedBesideARightOne() {
        ObjectNode body = ServerClient.chat("x", 4);
        body.remove("max_tokens");
        body.put("max_completion_tokens", 4).put("max_tokens", -3);
        ServerClient.Answer answer = client.post(CHAT, body.toString());
        assertEquals(400, answer.status(), answer.body());
        assertEquals("max_tokens", answer.error("param"));
    }

    @Test
    void anUnknownModelIsNotFound() {
        ServerClient.Answer answer = client.post(
                TEXTS, ServerClient.completion("x", 4).put("model", "tinny").toString());
        assertEquals(404, answer.status());
        assertEquals("model_not_found", answer.error("code"));
        assertTrue(answer.error("message").contains("did you mean 'tiny'"), answer.body());
    }

    @Test
    void aPromptThatDoesNotFitTheContextIsRefusedAsOpenAiDoes() {
        ServerClient.Answer answer = client.post(
                TEXTS, ServerClient.completion("word ".repeat(600), 4).toString());
        assertEquals(400, answer.status());
        assertEquals("context_length_exceeded", answer.error("code"));
    }

    @Test
    void listsNameTheModel() {
        assertEquals(
                ServedFiles.NAME,
                client.get("/v1/models").json().path("data").path(0).path("id").asText());
        assertEquals(200, client.get("/v1/models/tiny").status());
        assertEquals(404, client.get("/v1/models/other").status());
        assertEquals(200, client.get("/health/ready").status());
        assertEquals(200, client.get("/health/live").status());
        assertTrue(client.get("/metrics").body().contains("finetune_tokens_completion_total"));
    }
}
