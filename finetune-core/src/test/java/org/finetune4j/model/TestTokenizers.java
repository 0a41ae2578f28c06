package org.finetune4j.model;

import java.nio.file.Path;

/** Small complete tokenizers for tests. */
public final class TestTokenizers {

    /** One directory a tokenizer. */
    public static final Path DIRECTORY = Path.of("src", "test", "resources", "tokenizer");

    private TestTokenizers() {}

    /** Byte-level BPE as of GPT-2: any text, nothing around it. */
    public static Tokenizer gpt2() {
        return Tokenizer.load(DIRECTORY.resolve("tiny-gpt2-bpe"));
    }

    /** BPE with byte fallback as of Llama 2: BOS before the text. */
    public static Tokenizer llama2() {
        return Tokenizer.load(DIRECTORY.resolve("tiny-llama2-bpe"));
    }
}
