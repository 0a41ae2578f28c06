package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.Json;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Each of these files ends the process when native code gets to see it. */
class TokenizerPreflightTest {

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "normalizer | {'type': 'Precompiled', 'precompiled_charsmap': ''} | precompiled_charsmap",
                "normalizer | {'type': 'Precompiled', 'precompiled_charsmap': null} | precompiled_charsmap",
                "normalizer | {'type': 'Precompiled', 'precompiled_charsmap': 'AAAA'} | precompiled_charsmap",
                "normalizer | {'type': 'Precompiled', 'precompiled_charsmap': '/////w=='} | precompiled_charsmap",
                "normalizer | {'type': 'Sequence', 'normalizers': [{'type': 'Prepend', 'prepend': ''}]} | Prepend",
                "pre_tokenizer | {'type': 'FixedLength', 'length': 0} | FixedLength",
                "decoder | {'type': 'Strip', 'content': ' ', 'start': 0, 'stop': 1} | Strip",
                "post_processor | {'type': 'TemplateProcessing', 'single': [{'SpecialToken': {'id': '<s>'}}, "
                        + "{'Sequence': {'id': 'A', 'type_id': 0}}], 'pair': [], 'special_tokens': {}} | <s>",
                "post_processor | {'type': 'TemplateProcessing', 'single': [{'Sequence': {'id': 'B', 'type_id': 0}}], "
                        + "'pair': [], 'special_tokens': {}} | second sequence",
                "post_processor | {'type': 'TemplateProcessing', 'single': [{'Sequence': {'id': 'A', 'type_id': 0}}], "
                        + "'pair': [], 'special_tokens': {'x': {'id': 'x', 'ids': [1, 2], 'tokens': ['x']}}} | ids",
            })
    void aSectionThatNativeCodeWouldEndTheProcessOverIsRefused(String section, String content, String reason)
            throws IOException {
        ObjectNode file = tokenizer();
        file.set(section, TestJson.parse(content.replace('\'', '"')));
        assertRefused(file, section, reason);
    }

    @Test
    void anExpressionThatIsNestedDeeplyIsRefused() throws IOException {
        ObjectNode file = tokenizer();
        String pattern = "(".repeat(3000) + "a" + ")".repeat(3000);
        file.set(
                "pre_tokenizer",
                TestJson.parse("{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" + pattern
                        + "\"}, \"behavior\": \"Isolated\", \"invert\": false}"));
        assertRefused(file, "pre_tokenizer", "nested more than 200 deep");
    }

    @ParameterizedTest
    @CsvSource({"[['a'; 'b']]", "['a b']"})
    void aMergeWithoutTheSubwordPrefixIsRefused(String merges) throws IOException {
        ObjectNode file = tokenizer();
        ObjectNode model = (ObjectNode) file.get("model");
        model.put("continuing_subword_prefix", "##");
        model.set("merges", TestJson.parse(merges.replace('\'', '"').replace(';', ',')));
        assertRefused(file, "model", "continuing_subword_prefix");
    }

    private void assertRefused(JsonNode file, String section, String reason) throws IOException {
        Files.writeString(directory.resolve("tokenizer.json"), Json.write(file));
        String message = assertThrows(UserErrorException.class, () -> Tokenizer.load(directory))
                .getMessage();
        assertTrue(message.contains("'" + section + "'") && message.contains(reason), message);
    }

    private static ObjectNode tokenizer() throws IOException {
        try (var file = TestTokenizers.resource("tiny-gpt2-bpe/tokenizer.json")) {
            return (ObjectNode) TestJson.read(file);
        }
    }
}
