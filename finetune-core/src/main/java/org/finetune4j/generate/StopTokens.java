package org.finetune4j.generate;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;

/** Which tokens end a text when the caller does not say. */
final class StopTokens {

    private StopTokens() {}

    /**
     * {@code eos_token_id} of {@code generation_config.json}, else of {@code config.json}, each one id or a list; else the
     * tokenizer's end-of-sequence token.
     */
    static Set<Integer> of(CausalLM model) {
        Set<Integer> stops = new LinkedHashSet<>();
        Path directory = model.directory();
        if (directory != null && Files.exists(directory.resolve("generation_config.json"))) {
            addAll(stops, read(directory.resolve("generation_config.json")).path("eos_token_id"));
        }
        if (stops.isEmpty()) {
            addAll(stops, model.config().node("eos_token_id"));
        }
        if (stops.isEmpty() && model.hasTokenizer()) {
            model.tokenizer().eosTokenId().ifPresent(stops::add);
        }
        return stops;
    }

    private static void addAll(Set<Integer> stops, JsonNode node) {
        if (node.isInt()) {
            stops.add(node.asInt());
        }
        node.forEach(element -> stops.add(element.asInt()));
    }

    private static JsonNode read(Path file) {
        try {
            return new ObjectMapper().readTree(file.toFile());
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + file + ": " + Reasons.of(e), e);
        }
    }
}
