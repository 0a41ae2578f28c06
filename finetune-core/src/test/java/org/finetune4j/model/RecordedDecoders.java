package org.finetune4j.model;

import java.util.List;
import java.util.stream.Stream;

/** The decoders with figures recorded from transformers, in {@code goldens/arch}. */
public final class RecordedDecoders {

    private static final List<String> NAMES = List.of(
            "llama",
            "llama-rope-llama3",
            "llama-rope-yarn",
            "mistral",
            "qwen2",
            "qwen3",
            "gemma2",
            "gemma3_text",
            "phi3",
            "gpt2",
            "gpt_neox",
            "opt",
            "mixtral",
            "qwen3_moe",
            "smollm3",
            "granite",
            "olmo3",
            "qwen2_moe",
            "starcoder2",
            "cohere",
            "cohere2",
            "glm",
            "glm4",
            "phi",
            "olmoe",
            "stablelm",
            "gpt_oss",
            "ministral3",
            "seed_oss",
            "ernie4_5",
            "hunyuan_v1_dense",
            "exaone4",
            "arcee",
            "apertus",
            "nemotron",
            "helium",
            "glm4_moe",
            "falcon",
            "gpt_bigcode",
            "olmo");

    private RecordedDecoders() {}

    /**
     * {@return one of every family at least, and others}
     *
     * @param others variants of these that a test is about too
     */
    public static Stream<String> with(String... others) {
        return Stream.concat(NAMES.stream(), Stream.of(others));
    }
}
