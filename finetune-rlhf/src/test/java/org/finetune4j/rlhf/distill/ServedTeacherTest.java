package org.finetune4j.rlhf.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.ExampleList;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.format.PromptOnly;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.stage.StageData;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A teacher behind a service: its text is learned, and how likely it found other words where it says so. */
class ServedTeacherTest {

    private static final String ANSWER = " the old man";

    @TempDir
    Path directory;

    private HttpServer server;
    private final AtomicInteger asked = new AtomicInteger();
    private final List<JsonNode> requests = new ArrayList<>();
    private volatile int failures;
    private volatile boolean tellsLikelihoods = true;
    private volatile String body = "";

    @BeforeEach
    void serve() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/v1/chat/completions", exchange -> {
            JsonNode request = Json.parse(exchange.getRequestBody().readAllBytes(), "request");
            boolean busy;
            synchronized (requests) {
                requests.add(request);
                busy = asked.incrementAndGet() <= failures;
            }
            int status = busy ? 503 : 200;
            String text = body.isEmpty() ? Json.write(answer(request)) : body;
            byte[] answer = busy ? new byte[0] : text.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, answer.length == 0 ? -1 : answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    /** The same answer always; its last token was nearly another one. */
    private ObjectNode answer(JsonNode request) {
        ObjectNode json = Json.object();
        ObjectNode choice = json.putArray("choices").addObject();
        choice.putObject("message").put("role", "assistant").put("content", ANSWER);
        if (tellsLikelihoods && request.path("logprobs").asBoolean()) {
            Tokenizer tokenizer = TestTokenizers.gpt2();
            TokenTexts texts = new TokenTexts(tokenizer);
            ArrayNode content = choice.putObject("logprobs").putArray("content");
            for (int token : tokenizer.encode(ANSWER, false)) {
                ObjectNode each =
                        content.addObject().put("token", texts.text(token)).put("logprob", Math.log(0.6));
                ArrayNode top = each.putArray("top_logprobs");
                top.addObject().put("token", texts.text(token)).put("logprob", Math.log(0.6));
                top.addObject().put("token", texts.text(token + 1)).put("logprob", Math.log(0.3));
                top.addObject().put("token", "no token of the student").put("logprob", Math.log(0.05));
            }
        }
        return json;
    }

    private static CausalLM student() {
        Tokenizer tokenizer = TestTokenizers.gpt2();
        String config = """
                {"architectures": ["LlamaForCausalLM"], "vocab_size": %d, "hidden_size": 32, "intermediate_size": 48,
                 "num_hidden_layers": 1, "num_attention_heads": 4, "max_position_embeddings": 64}
                """.formatted(tokenizer.rows());
        return CausalLM.initialize(ModelConfig.parse(config, "a student"), tokenizer, Device.CPU, 3);
    }

    private static ExampleDataset records() {
        return new ExampleList(
                "records",
                List.of(new PromptCompletion("Who?", " nobody"), new PromptCompletion("Who else?", " none")));
    }

    private DistillationStage stage(Object... more) {
        Map<String, Object> settings = new LinkedHashMap<>(Map.of(
                "teacher_model_server_url",
                "http://127.0.0.1:" + server.getAddress().getPort() + "/v1",
                "teacher_model_name_or_path",
                "large",
                "teacher_server_tries",
                3,
                "max_new_tokens",
                16,
                "output_dir",
                directory.toString(),
                "loss_top_k",
                4));
        for (int i = 0; i < more.length; i += 2) {
            settings.put((String) more[i], more[i + 1]);
        }
        return new DistillationStage.Provider().create(new Settings("config", settings));
    }

    private static TrainingDataset samples(DistillationStage stage, CausalLM model, ExampleDataset records) {
        SupervisedOptions options = SupervisedOptions.builder().maxLength(64).build();
        return stage.batches(stage.samples(records, model, options), 64, new ArrayList<>());
    }

    @Test
    void itsAnswersTakeThePlaceOfTheRecordsWithHowLikelyOthersWere() {
        try (CausalLM model = student()) {
            Sample sample = samples(stage(), model, records()).get(0);
            Tokenizer tokenizer = model.tokenizer();
            int[] answer = tokenizer.encode(ANSWER, false);
            int tokens = sample.labelledTokens();
            assertEquals(answer.length + 1, tokens, "the end is learned too");
            float[] words = sample.columns().get(StoredTeacher.WORDS);
            float[] logprobs = sample.columns().get(StoredTeacher.LOGPROBS);
            for (int i = 0; i < answer.length; i++) {
                assertEquals(answer[i], words[4 * i]);
                assertEquals(answer[i] + 1, words[4 * i + 1]);
                assertEquals(Math.log(0.6), logprobs[4 * i], 1e-6);
                assertEquals(Math.log(0.3), logprobs[4 * i + 1], 1e-6);
                assertTrue(logprobs[4 * i + 2] < -1e29, "what is no token of the student is nobody's");
            }
            assertTrue(logprobs[4 * answer.length] < -1e29, "of the end the teacher said nothing");
        }
        JsonNode request = requests.get(0);
        assertEquals("large", request.path("model").asText());
        assertEquals("user", request.path("messages").path(0).path("role").asText());
        assertEquals(1, request.path("messages").size());
        assertEquals(4, request.path("top_logprobs").asInt());
    }

    @Test
    void aStudentLearnsWhatItSays() {
        for (boolean tells : new boolean[] {true, false}) {
            tellsLikelihoods = tells;
            DistillationStage stage =
                    stage("output_dir", directory.resolve("tells-" + tells).toString(), "beta", 0);
            try (CausalLM model = student()) {
                TrainingDataset samples = samples(stage, model, records());
                FineTuner tuner = FineTuner.of(model)
                        .messages(line -> {})
                        .dataset(samples)
                        .arguments(TrainingArguments.builder()
                                .batchSize(2)
                                .maxSteps(40)
                                .learningRate(1e-2)
                                .build());
                stage.configure(tuner, new StageData(model, samples, records(), null, null));
                try (TrainingResult result = tuner.train()) {
                    assertTrue(result.summary().finalLoss() < 1, result.summary()::toString);
                }
            }
        }
    }

    @Test
    void whatItAnsweredIsNotAskedAgainAndACutLineIs() throws IOException {
        try (CausalLM model = student()) {
            samples(stage(), model, records());
            assertEquals(2, asked.get());
            samples(stage(), model, records());
            assertEquals(2, asked.get());
            Path file = directory.resolve("teacher-answers.jsonl");
            String text = Files.readString(file);
            Files.writeString(file, text.substring(0, text.length() - 20));
            samples(stage(), model, records());
            assertEquals(3, asked.get());
            samples(stage(), model, records());
            assertEquals(3, asked.get(), "the answer after the cut line is a line of its own");
        }
    }

    @Test
    void aServiceThatIsBusyIsAskedAgain() {
        failures = 1;
        try (CausalLM model = student()) {
            ExampleDataset prompts = new ExampleList("prompts", List.of(PromptOnly.of("Who?")));
            assertEquals(2, samples(stage(), model, prompts).get(0).columns().size());
        }
        assertEquals(2, asked.get());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"choices\": []}         | expected 'choices' with a message of text",
                "[1, 2                     | its answer is no JSON",
                "{\"choices\": [{\"message\": {\"content\": null}}]} | expected 'choices'"
            })
    void anAnswerThatIsNoneIsOneLine(String answer, String expected) {
        body = answer.trim();
        try (CausalLM model = student()) {
            DistillationStage stage = stage("teacher_server_tries", 1);
            String message = assertThrows(UserErrorException.class, () -> samples(stage, model, records()))
                    .getMessage();
            assertTrue(message.contains(expected.trim()) && message.lines().count() == 1, message);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "teacher_model_server_url | ftp://x       | is no address of a service",
                "lmbda                    | 0.5           | only answers itself",
                "distillation_temperature | 2             | at temperature 1",
                "teacher_adapter_name_or_path | adapter   | two teachers",
                "teacher_api_key_env      | NOT_SET_HERE  | the environment has no NOT_SET_HERE"
            })
    void settingsThatDoNotFitAreOneLine(String key, String value, String expected) {
        String message =
                assertThrows(UserErrorException.class, () -> stage(key, value)).getMessage();
        assertTrue(message.contains(expected), message);
        assertEquals(1, message.lines().count());
    }
}
