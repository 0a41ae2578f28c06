package org.finetune4j.model.gguf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GgufPreTokenizerTest {

    private static final String SUFFIXES = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

    private static final String GPT4 =
            SUFFIXES + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                    + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    private static final String GPT4O =
            "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+" + SUFFIXES
                    + "?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
                    + SUFFIXES
                    + "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    @TempDir
    Path directory;

    private static ObjectNode tokenizer(String expression, String behavior, boolean invert, boolean ignoresMerges) {
        ObjectNode tokenizer = Json.object();
        tokenizer.putObject("model").put("ignore_merges", ignoresMerges);
        ObjectNode sequence = tokenizer.putObject("pre_tokenizer").put("type", "Sequence");
        ObjectNode split = sequence.putArray("pretokenizers").addObject();
        split.put("type", "Split").put("behavior", behavior).put("invert", invert);
        split.putObject("pattern").put("Regex", expression);
        sequence.withArray("pretokenizers")
                .addObject()
                .put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("use_regex", false);
        return tokenizer;
    }

    @ParameterizedTest
    @CsvSource({"Isolated, false", "Removed, true"})
    void aRuleIsKnownByItsExpressionAndByWhatDecidesWhatATokenIs(String behavior, boolean invert) {
        assertEquals("llama-bpe", GgufPreTokenizer.name(tokenizer(GPT4, behavior, invert, true), directory));
        assertEquals("dbrx", GgufPreTokenizer.name(tokenizer(GPT4, behavior, invert, false), directory));
        assertEquals("gpt-4o", GgufPreTokenizer.name(tokenizer(GPT4O, behavior, invert, false), directory));
    }

    @ParameterizedTest
    @CsvSource({"Removed, false", "Isolated, true", "MergedWithPrevious, false"})
    void whatKeepsOtherPartsIsAnotherRule(String behavior, boolean invert) {
        assertThrows(
                UserErrorException.class,
                () -> GgufPreTokenizer.name(tokenizer(GPT4, behavior, invert, false), directory));
    }

    /** llama.cpp goes by the model's name, which knows Phi-3 only. */
    @Test
    void theNameSaysWhetherSpecialTokensSwallowTheSpaceBehindThem() throws IOException {
        String tokens = """
                {"added_tokens": [{"content": "<s>", "special": true},
                                  {"content": "<|user|>", "special": true, "rstrip": true},
                                  {"content": "<|end|>", "special": true, "rstrip": %s}]}
                """;
        Path phi = Files.createDirectories(directory.resolve("My-phi3-mini"));
        Path other = Files.createDirectories(directory.resolve("other"));
        for (Path model : new Path[] {phi, other}) {
            Files.writeString(model.resolve("tokenizer.json"), tokens.formatted(true));
        }
        assertEquals("My-phi3-mini", GgufModelName.of(phi));
        assertEquals("other (phi-3)", GgufModelName.of(other));
        Files.writeString(phi.resolve("tokenizer.json"), tokens.formatted(false));
        assertEquals("My-Phi 3-mini", GgufModelName.of(phi));
        assertEquals("directory", GgufModelName.of(Files.createDirectories(directory.resolve("directory"))));
    }
}
