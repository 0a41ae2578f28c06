package org.finetune4j.rlhf.preference;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.ExampleList;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.format.UnpairedPreference;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.tensor.Device;

/** A language model of a few thousand parameters, and preferences that it can learn: of two answers the shorter one. */
final class TinyPolicy {

    private static final Path TOKENIZER = Path.of("../finetune-core/src/test/resources/tokenizer/tiny-llama2-bpe");
    private static final List<String> WORDS = List.of("the", "old", "man", "sees", "one", "more", "thing");

    private TinyPolicy() {}

    static CausalLM create(Path scratch, long seed) {
        try {
            Path words = Files.createDirectories(scratch.resolve("tokenizer"));
            if (!Files.exists(words.resolve("tokenizer.json"))) {
                Files.copy(TOKENIZER.resolve("tokenizer.json"), words.resolve("tokenizer.json"));
                Files.writeString(words.resolve("tokenizer_config.json"), "{\"eos_token\": \"</s>\"}");
            }
            Tokenizer tokenizer = Tokenizer.load(words);
            ModelConfig config = ModelConfig.parse("""
                    {"architectures": ["LlamaForCausalLM"], "vocab_size": %d, "hidden_size": 32,
                     "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
                     "initializer_range": 0.2, "max_position_embeddings": 128}
                    """.formatted(tokenizer.rows()), "a policy");
            return CausalLM.initialize(config, tokenizer, Device.CPU, seed);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static ExampleDataset pairs(int count, long seed) {
        Random random = new Random(seed);
        List<Example> pairs = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String prompt = words(random, 3);
            pairs.add(new PreferencePair(
                    new PromptCompletion(prompt, words(random, 1)), new PromptCompletion(prompt, words(random, 4))));
        }
        return new ExampleList("pairs", List.copyOf(pairs));
    }

    static ExampleDataset judged(int count, long seed) {
        Random random = new Random(seed);
        List<Example> judged = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            boolean good = i % 2 == 0;
            judged.add(
                    new UnpairedPreference(new PromptCompletion(words(random, 3), words(random, good ? 1 : 4)), good));
        }
        return new ExampleList("judged", List.copyOf(judged));
    }

    private static String words(Random random, int count) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            text.append(' ').append(WORDS.get(random.nextInt(WORDS.size())));
        }
        return text.toString();
    }
}
