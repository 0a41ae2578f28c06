package org.finetune4j.data.supervised;

import java.util.Optional;
import org.finetune4j.data.format.Instruction;

/**
 * The prompt of Stanford Alpaca (Taori et al., 2023), character for character; records without input get the shorter
 * form.
 */
public final class AlpacaTemplate implements PromptTemplate {

    private static final String WITH_INPUT = """
            Below is an instruction that describes a task, paired with an input that provides further context. \
            Write a response that appropriately completes the request.

            ### Instruction:
            {instruction}

            ### Input:
            {input}

            ### Response:
            """;

    private static final String WITHOUT_INPUT = """
            Below is an instruction that describes a task. \
            Write a response that appropriately completes the request.

            ### Instruction:
            {instruction}

            ### Response:
            """;

    private static final StringTemplate TEXT = StringTemplate.of(WITH_INPUT, WITHOUT_INPUT);

    @Override
    public Optional<StringTemplate> text() {
        return Optional.of(TEXT);
    }

    @Override
    public String prompt(Instruction record) {
        return TEXT.prompt(record);
    }
}
