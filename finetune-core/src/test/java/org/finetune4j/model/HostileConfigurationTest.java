package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.memory.ProcessMemory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** No value in a configuration makes a model allocate or count what its checkpoint does not hold. */
@Tag("slow")
class HostileConfigurationTest {

    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private static final List<JsonNode> VALUES = List.of(
            NODES.numberNode(1_000_000_000),
            NODES.numberNode(-1),
            NODES.numberNode(1e308),
            NODES.arrayNode().add(1_000_000_000).addNull());

    /** Keys that configurations may have beside those of the recorded one. */
    private static final List<String> MORE = List.of(
            "head_dim",
            "num_labels",
            "id2label",
            "sliding_window",
            "rope_scaling",
            "rope_theta",
            "partial_rotary_factor");

    /** Memory of one load of a model with a few thousand weights. */
    private static final long MEGABYTES = 300;

    @TempDir
    Path directory;

    static List<String> models() {
        return GoldenModels.names().stream()
                .filter(name -> Files.exists(GoldenModels.directory(name).resolve("model.safetensors")))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("models")
    void aValueThatDoesNotFitIsRefusedBeforeItCosts(String model) throws IOException {
        Path source = GoldenModels.directory(model);
        Files.copy(source.resolve("model.safetensors"), directory.resolve("model.safetensors"));
        ObjectNode good = (ObjectNode) TestJson.parse(Files.readString(source.resolve("config.json")));
        Set<String> keys = new LinkedHashSet<>(MORE);
        good.fieldNames().forEachRemaining(keys::add);
        List<String> faults = new ArrayList<>();
        for (String key : keys) {
            for (JsonNode value : VALUES) {
                attack(good.deepCopy().set(key, value), key + ": " + value, faults);
                JsonNode inner = good.path(key);
                if (inner instanceof ObjectNode) {
                    inner.fieldNames().forEachRemaining(name -> {
                        ObjectNode changed = good.deepCopy();
                        ((ObjectNode) changed.get(key)).set(name, value);
                        attack(changed, key + "." + name + ": " + value, faults);
                    });
                }
            }
        }
        assertTrue(faults.isEmpty(), String.join("\n", faults));
    }

    private void attack(JsonNode config, String what, List<String> faults) {
        long before = ProcessMemory.peakMegabytes();
        try {
            Files.writeString(directory.resolve("config.json"), config.toString());
            try (CausalLM loaded = CausalLM.load(directory)) {
                loaded.logits(ModelInputs.of(5, 6, 7)).close();
            }
        } catch (UserErrorException e) {
            if (String.valueOf(e.getMessage()).length() >= 2000) {
                faults.add(what + ": a message of " + e.getMessage().length() + " characters");
            }
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            faults.add(what + ": " + e);
        }
        long grown = ProcessMemory.peakMegabytes() - before;
        if (grown > MEGABYTES) {
            faults.add(what + ": took " + grown + " MiB");
        }
    }
}
