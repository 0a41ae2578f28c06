package org.finetune4j.model.gguf;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** Small models of every architecture, no two numbers of which are alike, so that a test sees where each one goes. */
final class NumberedModels {

    /** A byte-level tokenizer of three tokens. */
    static final String TOKENIZER = """
            {"added_tokens": [{"id": 2, "content": "<|end|>", "special": false}],
             "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
             "model": {"type": "BPE", "vocab": {"a": 0, "ab": 1}, "merges": [["a", "b"]]}}
            """;

    private static final String SIZES = """
            {"vocab_size": 41, "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0}
            """;

    private NumberedModels() {}

    /** The configuration of a small model of this architecture, with other settings. */
    static ModelConfig config(String architecture, String settings) {
        ObjectNode config = Json.parseObject(SIZES, "sizes");
        config.putArray("architectures").add(architecture);
        config.setAll(Json.parseObject(settings, architecture));
        return ModelConfig.parse(config.toString(), "config.json");
    }

    /** Writes the model into a directory. */
    static Path write(Path directory, ModelConfig config) throws IOException {
        Files.createDirectories(directory);
        config.save(directory);
        Files.writeString(directory.resolve("tokenizer.json"), TOKENIZER);
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.initialize(config, null, Device.CPU, 1)) {
            List<Entry> entries = new ArrayList<>();
            float[] next = {1};
            model.network().namedParameters().forEach((name, parameter) -> {
                float[] values = parameter.value().toFloatArray();
                for (int i = 0; i < values.length; i++) {
                    values[i] = next[0]++;
                }
                entries.add(Entry.of(name, Tensors.of(values, parameter.value().shape())));
            });
            SafetensorsWriter.write(directory.resolve("model.safetensors"), entries, Map.of());
        }
        return directory;
    }
}
