package org.finetune4j.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.Json;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.peft.ia3.Ia3;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraInitialization;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.RandomGenerator;

/** A small model with a tokenizer, and adapters for it, on disk. */
final class ServedFiles {

    static final String NAME = "tiny";

    private ServedFiles() {}

    /** Writes a random model with byte-level tokens. */
    static Path model(Path parent) {
        Path directory = parent.resolve(NAME);
        try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
            ObjectNode config = Json.object();
            config.put("model_type", "llama");
            config.putArray("architectures").add("LlamaForCausalLM");
            config.put("hidden_size", 32);
            config.put("intermediate_size", 48);
            config.put("num_hidden_layers", 2);
            config.put("num_attention_heads", 4);
            config.put("num_key_value_heads", 2);
            config.put("vocab_size", tokenizer.rows());
            config.put("max_position_embeddings", 512);
            config.put("rms_norm_eps", 1e-5);
            config.put("initializer_range", 0.5);
            config.put("tie_word_embeddings", false);
            try (CausalLM model =
                    CausalLM.initialize(ModelConfig.parse(config.toString(), NAME), null, Device.parse("cpu"), 7)) {
                model.save(directory);
            }
            TestTokenizers.copyTo(directory, "tiny-gpt2-bpe");
            Files.writeString(
                    directory.resolve("tokenizer_config.json"),
                    "{\"bos_token\": \"<|endoftext|>\", \"eos_token\": \"<|endoftext|>\"}");
            return directory;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** LoRA mostly, every fourth DoRA, every eighth IA3. */
    private static PeftStrategy strategy(int number) {
        if (number % 8 == 5) {
            return new Ia3(
                    ModuleSelection.of(new TargetModules.Regex(".*(k_proj|v_proj|down_proj)")),
                    new TargetModules.Regex(".*down_proj"),
                    false);
        }
        return Lora.builder()
                .rank(2 + number % 3)
                .alpha(16)
                .useDora(number % 4 == 3)
                .initialization(LoraInitialization.RANDOM)
                .targetModules("all-linear")
                .build();
    }

    /**
     * Writes adapters that change every layer, each in its own way, as {@code FOLDER/a0}, {@code FOLDER/a1}, ... They are the same
     * always: the last digits of scores depend on the batch, and adapters of every kind would come to decide a draw now and then.
     */
    static Path adapters(Path model, Path folder, int count) {
        try (RandomGenerator.Use seeded = RandomGenerator.of(5).use();
                CausalLM loaded = CausalLM.load(model);
                AdapterSet adapters = AdapterSet.of(loaded)) {
            for (int number = 0; number < count; number++) {
                adapters.add("a" + number, strategy(number));
            }
            adapters.save(folder);
            return folder;
        }
    }
}
