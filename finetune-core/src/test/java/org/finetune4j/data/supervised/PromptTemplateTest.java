package org.finetune4j.data.supervised;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.finetune4j.UserErrorException;
import org.finetune4j.data.format.Instruction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PromptTemplateTest {

    @Test
    void alpacasPromptIsTheOriginalCharacterForCharacter() {
        PromptTemplate alpaca = new AlpacaTemplate();
        assertEquals(
                "Below is an instruction that describes a task, paired with an input that provides further context. "
                        + "Write a response that appropriately completes the request.\n\n"
                        + "### Instruction:\nAdd.\n\n### Input:\n1 and 2\n\n### Response:\n",
                alpaca.prompt(new Instruction("Add.", "1 and 2", "3")));
        assertEquals(
                "Below is an instruction that describes a task. "
                        + "Write a response that appropriately completes the request.\n\n"
                        + "### Instruction:\nGreet.\n\n### Response:\n",
                alpaca.prompt(new Instruction("Greet.", "Hi!")));
        assertEquals("Hi!", alpaca.completion(new Instruction("Greet.", "Hi!")));
    }

    @Test
    void recordsMayHoldBracesAndDollars() {
        PromptTemplate template = StringTemplate.of("{instruction}|{input}|{{x}}");
        Instruction record = new Instruction("{input} $1 \\1 {{", "{instruction}", "");
        assertEquals("{input} $1 \\1 {{|{instruction}|{x}", template.prompt(record));
    }

    @Test
    void recordsWithoutInputMayHaveTheirOwnTemplate() {
        PromptTemplate template = StringTemplate.of("{instruction} {input}:", "{instruction}:");
        assertEquals("a b:", template.prompt(new Instruction("a", "b", "c")));
        assertEquals("a:", template.prompt(new Instruction("a", "c")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Question:                    | {instruction} is missing",
                "{input}                      | {instruction} is missing",
                "{instruction} {inptu}        | expected {instruction} or {input}; did you mean 'input'?",
                "{instruction} {              | a single '{' at character 14",
                "{instruction} }              | a single '}' at character 14",
                "{instruction} {}             | unknown placeholder '{}'",
            })
    void aTemplateThatCannotBeMeantIsRefused(String template, String reason) {
        String message = assertThrows(UserErrorException.class, () -> StringTemplate.of(template))
                .getMessage();
        assertTrue(message.contains(reason), message);
    }
}
