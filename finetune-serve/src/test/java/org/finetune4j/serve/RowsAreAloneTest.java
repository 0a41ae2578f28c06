package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.finetune4j.Json;
import org.finetune4j.generate.GenerationEngine;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.GenerationRequest;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a request is answered does not depend on who else is answered: 16 adapters (LoRA, DoRA, IA3) and the base in one batch. */
class RowsAreAloneTest {

    private static final int ADAPTERS = 16;
    private static final int TOKENS = 24;

    @TempDir
    private Path folder;

    private static ObjectNode body(int number) {
        ObjectNode body = ServerClient.completion("number " + number, TOKENS);
        body.put("model", number == ADAPTERS ? ServedFiles.NAME : "m" + number);
        body.put("temperature", number % 2).put("seed", 100 + number);
        return body;
    }

    /** The answer of a model that has this adapter alone, and computes nothing else. */
    private static String alone(CausalLM model, int number) {
        GenerationOptions options = GenerationOptions.greedy(TOKENS).toBuilder()
                .temperature(number % 2)
                .seed(100 + number)
                .build();
        int[] prompt = model.tokenizer().encode("number " + number, true);
        try (GenerationEngine engine = GenerationEngine.of(model)) {
            return engine.generate(List.of(GenerationRequest.of(prompt, options)))
                    .get(0)
                    .text();
        }
    }

    @Test
    void everyAnswerIsThatOfItsAdapterAlone() {
        Path base = ServedFiles.model(folder);
        Path adapters = ServedFiles.adapters(base, folder.resolve("adapters"), ADAPTERS);
        List<String> together = new ArrayList<>();
        try (CausalLM model = CausalLM.load(base);
                ModelServer server =
                        ModelServer.builder(model).port(0).adapters(adapters).start()) {
            ServerClient client = new ServerClient(server);
            for (int number = 0; number < ADAPTERS; number++) {
                ObjectNode load = Json.object().put("name", "m" + number).put("path", "a" + number);
                assertEquals(200, client.post("/v1/adapters", load.toString()).status());
            }
            List<CompletableFuture<ServerClient.Answer>> answers = new ArrayList<>();
            for (int number = 0; number <= ADAPTERS; number++) {
                answers.add(client.postLater("/v1/completions", body(number).toString()));
            }
            for (CompletableFuture<ServerClient.Answer> answer : answers) {
                assertEquals(200, answer.join().status(), answer.join().body());
                together.add(answer.join().text(0));
            }
        }
        Set<String> different = new LinkedHashSet<>(together);
        assertTrue(different.size() > ADAPTERS / 2, different.toString());
        try (CausalLM model = CausalLM.load(base)) {
            for (int number = 0; number <= ADAPTERS; number++) {
                Adapter adapter =
                        number == ADAPTERS ? null : AdapterFormat.load(model, adapters.resolve("a" + number), false);
                try (adapter) {
                    assertEquals(alone(model, number), together.get(number), "row " + number);
                }
            }
        }
    }
}
