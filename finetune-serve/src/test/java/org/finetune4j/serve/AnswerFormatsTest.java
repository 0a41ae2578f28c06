package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.finetune4j.Json;
import org.finetune4j.model.CausalLM;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A model that knows nothing of JSON or tools answers in the form that is asked for, because nothing else is chosen. */
class AnswerFormatsTest {

    private static final String CHAT = "/v1/chat/completions";
    private static final String TOOLS = """
            [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object",
               "properties": {"city": {"enum": ["Rome", "Oslo"]}}, "required": ["city"], "additionalProperties": false}}},
             {"type": "function", "function": {"name": "time", "strict": true, "parameters": {"type": "object",
               "properties": {"zone": {"type": "integer"}}, "required": ["zone"], "additionalProperties": false}}}]""";
    private static final String CAT = """
            {"type": "json_schema", "json_schema": {"name": "cat", "strict": true, "schema": {"type": "object",
             "properties": {"name": {"type": "string", "maxLength": 8}, "lives": {"enum": [7, 9]}},
             "required": ["name", "lives"], "additionalProperties": false}}}""";

    @TempDir
    private static Path folder;

    private static CausalLM model;
    private static ModelServer server;
    private static ServerClient client;

    @BeforeAll
    static void start() throws IOException {
        Path files = ServedFiles.model(folder);
        Path config = files.resolve("config.json");
        ObjectNode larger = Json.parseObject(Files.readString(config), config);
        Files.writeString(config, larger.put("max_position_embeddings", 2048).toString());
        model = CausalLM.load(files);
        server = ModelServer.builder(model).port(0).start();
        client = new ServerClient(server);
    }

    @AfterAll
    static void stop() {
        server.close();
        model.close();
    }

    private static JsonNode choice(String path, ObjectNode body) {
        ServerClient.Answer answer = client.post(path, body.toString());
        assertEquals(200, answer.status(), answer.body());
        return answer.json().path("choices").path(0);
    }

    private static void requireCat(String text) {
        JsonNode cat = Json.parse(text, "answer");
        assertTrue(cat.path("name").isTextual() && cat.path("lives").asInt() >= 7 && cat.size() == 2, text);
    }

    @ParameterizedTest
    @CsvSource({"/v1/completions, 0", "/v1/completions, 1.5", "/v1/chat/completions, 0", "/v1/chat/completions, 1.5"})
    void anAnswerIsOfTheSchema(String path, double temperature) {
        ObjectNode body =
                path.equals(CHAT) ? ServerClient.chat("the cat", 200) : ServerClient.completion("the cat", 200);
        body.put("temperature", temperature).put("seed", 3);
        body.set("response_format", Json.parse(CAT, "format"));
        JsonNode choice = choice(path, body);
        requireCat(
                path.equals(CHAT)
                        ? choice.path("message").path("content").asText()
                        : choice.path("text").asText());
        assertEquals("stop", choice.path("finish_reason").asText());
    }

    @Test
    void anAnswerIsAJsonObjectOrTheBeginningOfOne() {
        ObjectNode body = ServerClient.chat("the cat", 60);
        body.putObject("response_format").put("type", "json_object");
        body.put("n", 4).put("temperature", 2);
        ServerClient.Answer answer = client.post(CHAT, body.toString());
        assertEquals(200, answer.status(), answer.body());
        for (int number = 0; number < 4; number++) {
            String text = answer.text(number);
            assertTrue(text.strip().startsWith("{"), text);
            String reason = answer.json()
                    .path("choices")
                    .path(number)
                    .path("finish_reason")
                    .asText();
            if (reason.equals("stop")) {
                assertTrue(Json.parse(text, "answer").isObject(), text);
            }
        }
    }

    @Test
    void aToolIsCalledWhereOneHasToBe() {
        Set<String> called = new HashSet<>();
        for (int seed = 0; seed < 12; seed++) {
            ObjectNode body = ServerClient.chat("the cat", 200);
            body.set("tools", Json.parse(TOOLS, "tools"));
            body.put("tool_choice", "required")
                    .put("temperature", 2)
                    .put("seed", seed)
                    .put("parallel_tool_calls", false);
            JsonNode choice = choice(CHAT, body);
            assertEquals("tool_calls", choice.path("finish_reason").asText(), choice.toString());
            JsonNode call = choice.path("message").path("tool_calls").path(0).path("function");
            called.add(call.path("name").asText());
            JsonNode arguments = Json.parse(call.path("arguments").asText(), "arguments");
            assertTrue(
                    call.path("name").asText().equals("time")
                            ? arguments.path("zone").isIntegralNumber()
                            : arguments.path("city").asText().matches("Rome|Oslo"),
                    choice.toString());
        }
        assertEquals(Set.of("weather", "time"), called);
    }

    @Test
    void theToolIsCalledThatHasToBe() {
        ObjectNode body = ServerClient.chat("the cat", 200);
        body.set("tools", Json.parse(TOOLS, "tools"));
        body.putObject("tool_choice")
                .put("type", "function")
                .putObject("function")
                .put("name", "weather");
        JsonNode calls = choice(CHAT, body).path("message").path("tool_calls");
        assertEquals(1, calls.size());
        assertEquals("weather", calls.path(0).path("function").path("name").asText());
    }

    /** By chance a call or an answer; neither is anything else. */
    @Test
    void besideToolsAnAnswerIsOfTheFormatOrACall() {
        Set<String> reasons = new HashSet<>();
        for (int seed = 0; seed < 40 && reasons.size() < 2; seed++) {
            ObjectNode body = ServerClient.chat("the cat", 200);
            body.set("tools", Json.parse(TOOLS, "tools"));
            body.set("response_format", Json.parse(CAT, "format"));
            body.put("temperature", 3).put("seed", seed).put("parallel_tool_calls", false);
            JsonNode choice = choice(CHAT, body);
            reasons.add(choice.path("finish_reason").asText());
            if (choice.path("finish_reason").asText().equals("stop")) {
                requireCat(choice.path("message").path("content").asText());
            }
        }
        assertEquals(Set.of("stop", "tool_calls"), reasons);
    }

    /** Alternatives that never differ are more readings with every bracket; whoever asks beside has an answer. */
    @Test
    void aSchemaThatNoAnswerCanBeKeptToIsARequestsMistake() {
        ObjectNode schema = Json.object().put("$ref", "#/$defs/a0");
        ObjectNode defs = schema.putObject("$defs");
        for (int depth = 0; depth < 13; depth++) {
            for (String name : new String[] {"a", "b"}) {
                ObjectNode array = defs.putObject(name + depth);
                array.put("type", "array").put("minItems", 1);
                ArrayNode either = array.putObject("items").putArray("anyOf");
                either.addObject().put("$ref", "#/$defs/a" + (depth + 1));
                either.addObject().put("$ref", "#/$defs/b" + (depth + 1));
            }
        }
        defs.putObject("a13").put("type", "integer");
        defs.putObject("b13").put("type", "null");
        ObjectNode body = ServerClient.completion("the cat", 200);
        body.set("response_format", schemaFormat(schema));
        ServerClient.Answer answer = client.post("/v1/completions", body.toString());
        assertEquals(400, answer.status(), answer.body());
        assertTrue(answer.body().contains("ways at once"), answer.body());
        assertEquals(
                200,
                client.post(CHAT, ServerClient.chat("the cat", 3).toString()).status());
    }

    private static ObjectNode schemaFormat(JsonNode schema) {
        ObjectNode format = Json.object().put("type", "json_schema");
        format.putObject("json_schema").put("name", "x").set("schema", schema);
        return format;
    }

    /** Two schemas that are equal as JSON objects, one after the other. */
    @Test
    void propertiesComeInTheOrderOfTheRequestsOwnSchema() {
        for (String[] order : new String[][] {{"a", "b"}, {"b", "a"}}) {
            ObjectNode schema = Json.object().put("type", "object").put("additionalProperties", false);
            ObjectNode properties = schema.putObject("properties");
            for (String name : order) {
                properties.putObject(name).put("type", "null");
            }
            schema.putArray("required").add("a").add("b");
            ObjectNode body = ServerClient.completion("the cat", 100);
            body.set("response_format", schemaFormat(schema));
            String text = choice("/v1/completions", body).path("text").asText();
            assertEquals(
                    List.of(order),
                    List.copyOf(Json.toMap(Json.parse(text, "answer")).keySet()),
                    text);
        }
    }

    /** A stop string ends an answer wherever it is; several answers, streamed, are each of the schema. */
    @Test
    void severalStreamedAnswersAreOfTheSchemaAndAStopStringCutsOff() {
        ObjectNode body = ServerClient.chat("the cat", 200);
        body.set("response_format", Json.parse(CAT, "format"));
        body.put("n", 3).put("temperature", 2).put("seed", 5).put("stream", true);
        List<StringBuilder> texts = List.of(new StringBuilder(), new StringBuilder(), new StringBuilder());
        for (String line : client.post(CHAT, body.toString()).body().split("\n")) {
            if (line.startsWith("data: {")) {
                for (JsonNode choice : Json.parse(line.substring(6), "event").path("choices")) {
                    texts.get(choice.path("index").asInt())
                            .append(choice.path("delta").path("content").asText(""));
                }
            }
        }
        texts.forEach(text -> requireCat(text.toString()));
        ObjectNode stopped = ServerClient.completion("the cat", 200);
        stopped.set("response_format", Json.parse(CAT, "format"));
        stopped.put("stop", "lives");
        JsonNode choice = choice("/v1/completions", stopped);
        assertEquals("stop", choice.path("finish_reason").asText());
        assertTrue(choice.path("text").asText().endsWith("\""), choice.toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'$ref': '#'}",
                "{'type': 'object', 'properties': {'a': {'$ref': '#'}}, 'required': ['a']}",
                "{'type': 'string', 'pattern': '(a+)\\\\1'}",
                "{'type': 'string', 'pattern': '^(a|b)*a(a|b){30}$'}",
                "{'type': 'string', 'pattern': '((a{1000}){1000}){1000}'}",
                "{'type': 'integer', 'multipleOf': 1e300}",
                "{'type': 'integer', 'minimum': 1e999}",
                "{'allOf': [{'$ref': '#'}, {'type': 'null'}]}",
                "{'not': {}}",
                "{'enum': {}}",
                "{'type': 7}",
                "{'$ref': '#/%zz'}"
            })
    void aSchemaThatIsNotDoneIsRefusedByItsPlace(String schema) {
        ObjectNode body = ServerClient.chat("the cat", 5);
        body.set("response_format", schemaFormat(Json.parse(schema.replace('\'', '"'), "schema")));
        ServerClient.Answer answer = client.post(CHAT, body.toString());
        assertEquals(400, answer.status(), answer.body());
        JsonNode error = answer.json().path("error");
        assertEquals("response_format", error.path("param").asText());
        assertEquals("invalid_request_error", error.path("type").asText());
        assertTrue(error.path("message").asText().contains("the JSON schema at #"), answer.body());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "tool_choice | {'type': 'function', 'function': {'name': 'whether'}} | did you mean 'weather'",
                "tool_choice | 'any' | expected",
                "tool_choice | 7 | expected",
                "tools | [{'type': 'function', 'function': {'name': 'f', 'strict': true, 'parameters': {'minProperties': 1}}}] | 'minProperties'",
                "tools | [] | 'tool_choice' needs 'tools'"
            })
    void whatIsWrongAboutToolsIsSaid(String field, String value, String reason) {
        ObjectNode body = ServerClient.chat("the cat", 5);
        body.set("tools", Json.parse(TOOLS, "tools"));
        body.put("tool_choice", "required");
        body.set(field, Json.parse(value.replace('\'', '"'), "value"));
        ServerClient.Answer answer = client.post(CHAT, body.toString());
        assertEquals(400, answer.status(), answer.body());
        JsonNode error = answer.json().path("error");
        assertTrue(error.path("message").asText().contains(reason.replace('"', '\'')), answer.body());
    }
}
