package org.finetune4j.model;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** A model that answers every conversation with the same pieces: each is a token, which is almost certain after the one before. */
public final class ChainModel {

    private static final String START = "<|answer|>";
    private static final int HIDDEN = 64;

    private ChainModel() {}

    /**
     * Writes the model, whose chat template has Hermes' form of tools' calls.
     *
     * @param directory to be made
     * @param pieces all different, and no token of the vocabulary
     * @return the directory
     */
    public static Path write(Path directory, String... pieces) {
        try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
            int first = Math.toIntExact(tokenizer.rows());
            List<String> added = new ArrayList<>(List.of(START));
            added.addAll(List.of(pieces));
            ObjectNode config = Json.object();
            config.put("model_type", "llama");
            config.putArray("architectures").add("LlamaForCausalLM");
            config.put("hidden_size", HIDDEN);
            config.put("intermediate_size", 32);
            config.put("num_hidden_layers", 1);
            config.put("num_attention_heads", 2);
            config.put("num_key_value_heads", 2);
            config.put("vocab_size", first + added.size());
            config.put("max_position_embeddings", 512);
            config.put("rms_norm_eps", 1e-5);
            config.put("initializer_range", 1);
            config.put("tie_word_embeddings", false);
            int end = tokenizer.encode("<|endoftext|>", false)[0];
            try (CausalLM model =
                    CausalLM.initialize(ModelConfig.parse(config.toString(), "chain"), null, Device.parse("cpu"), 7)) {
                chain(model.network().namedParameters(), first, added.size(), end);
                model.save(directory);
            }
            TestTokenizers.copyTo(directory, "tiny-gpt2-bpe");
            Path file = directory.resolve("tokenizer.json");
            ObjectNode words = Json.parseObject(Files.readString(file), "tokenizer");
            ArrayNode tokens = words.withArray("added_tokens");
            for (int i = 0; i < added.size(); i++) {
                ObjectNode token = tokens.addObject();
                token.put("id", first + i).put("content", added.get(i)).put("special", false);
                token.put("single_word", false).put("lstrip", false).put("rstrip", false);
                token.put("normalized", false);
            }
            Files.writeString(file, Json.write(words));
            ObjectNode settings = Json.object();
            settings.put("bos_token", "<|endoftext|>").put("eos_token", "<|endoftext|>");
            settings.put(
                    "chat_template",
                    "{# <tool_call> #}{% for m in messages %}{{ m['content'] }}{% endfor %}"
                            + "{% if add_generation_prompt %}" + START + "{% endif %}");
            Files.writeString(directory.resolve("tokenizer_config.json"), Json.write(settings));
            return directory;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Nothing is added to a token's embedding, and the scores are highest for the token that comes next. */
    private static void chain(Map<String, Parameter> parameters, int first, int count, int end) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            parameters.forEach((name, parameter) -> {
                if (name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight")) {
                    parameter.value().mulInPlace(0);
                }
            });
            float[] embeddings =
                    parameters.get("model.embed_tokens.weight").value().toFloatArray();
            float[] scores = new float[embeddings.length];
            for (int i = 0; i < count; i++) {
                int next = i + 1 < count ? first + i + 1 : end;
                System.arraycopy(embeddings, (first + i) * HIDDEN, scores, next * HIDDEN, HIDDEN);
            }
            Parameter output = parameters.get("lm_head.weight");
            output.value().copyInPlace(Tensors.of(scores, scores.length / HIDDEN, HIDDEN));
        }
    }
}
