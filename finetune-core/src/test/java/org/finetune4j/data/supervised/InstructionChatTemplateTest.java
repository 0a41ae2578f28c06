package org.finetune4j.data.supervised;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.model.chat.ChatMessage;
import org.finetune4j.model.chat.ChatOptions;
import org.finetune4j.model.chat.ChatTemplate;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What was learned as an instruction is asked as a message with the very same tokens. */
class InstructionChatTemplateTest {

    private static final List<PromptTemplate> TEMPLATES = List.of(
            new AlpacaTemplate(),
            StringTemplate.of("{instruction}"),
            StringTemplate.of("Q: {instruction}\nA: "),
            StringTemplate.of(
                    "It's \"said\" \\n {{twice}} {instruction} {instruction}{input}\t-\r\n#}} -#}} %}} }}}} {{{{"),
            StringTemplate.of("with {instruction} and {input}: ", "\u00fcber {instruction} \ud83d\ude00: "));

    private static final List<String> QUESTIONS = List.of(
            "Who?",
            "blanks  around ",
            "It's {{ \"x\" }} {% raw %} \\ {instruction}\nand more",
            "\u4f60\u597d \ud83d\ude00");

    @TempDir
    private Path directory;

    static Stream<Named<JsonNode>> tokenizers() {
        return TestTokenizers.recorded("prompt-completion.json");
    }

    @ParameterizedTest
    @MethodSource("tokenizers")
    void aMessageHasTheTokensOfThePrompt(JsonNode test) throws IOException {
        try (Tokenizer tokenizer = TestTokenizers.load(test, directory)) {
            PromptCompletionTokenizer training = new PromptCompletionTokenizer(tokenizer);
            for (PromptTemplate template : TEMPLATES) {
                ChatTemplate chat =
                        InstructionChatTemplate.of(template, tokenizer).orElseThrow();
                for (String question : QUESTIONS) {
                    int[] learned = training.tokenize(template.prompt(new Instruction(question, "")), "")
                            .ids();
                    String asked = chat.render(List.of(ChatMessage.user(question)), ChatOptions.generation());
                    assertArrayEquals(
                            Arrays.copyOf(learned, learned.length - 1),
                            tokenizer.encode(asked, false),
                            () -> chat.source() + question);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("tokenizers")
    void theTemplateItselfCanBeReadBackFromAFile(JsonNode test) throws IOException {
        Instruction record = new Instruction("do {this}", "with that");
        try (Tokenizer tokenizer = TestTokenizers.load(test, directory)) {
            for (PromptTemplate template : TEMPLATES) {
                Path adapter = directory.resolve("adapter");
                InstructionChatTemplate.of(template, tokenizer).orElseThrow().save(adapter);
                PromptTemplate read = InstructionChatTemplate.promptTemplate(
                                ChatTemplate.load(adapter).orElseThrow())
                        .orElseThrow();
                assertEquals(template.prompt(record), read.prompt(record));
            }
        }
    }

    @Test
    void aTemplateOfAnotherOriginIsNone() {
        ChatTemplate other = ChatTemplate.of("other", "{#- a comment -#}{{ messages[0]['content'] }}", Map.of());
        assertEquals(Optional.empty(), InstructionChatTemplate.promptTemplate(other));
    }

    @ParameterizedTest
    @MethodSource("tokenizers")
    void aTemplateThatIsCodeCannotBeWritten(JsonNode test) throws IOException {
        try (Tokenizer tokenizer = TestTokenizers.load(test, directory)) {
            assertTrue(InstructionChatTemplate.of(Instruction::instruction, tokenizer)
                    .isEmpty());
        }
    }
}
