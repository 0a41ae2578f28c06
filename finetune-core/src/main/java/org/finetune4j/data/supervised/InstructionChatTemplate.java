package org.finetune4j.data.supervised;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.finetune4j.Json;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.model.chat.ChatTemplate;

/**
 * A prompt template as a chat template, so that a model is asked in the form that it was trained in by everything that reads
 * {@code chat_template.jinja}: a user's message becomes the prompt of an instruction, token for token, and an assistant's
 * message its answer. A comment in it keeps the prompt template itself, which can say more: where an input goes.
 */
public final class InstructionChatTemplate {

    private static final String NAME = "the prompt template of the training";
    private static final String BEGIN = "{#- prompt_template: ";
    private static final String END = " -#}\n";

    /** Stands for the instruction; no template that is text contains it. */
    private static final String INSTRUCTION = "\u0000instruction\u0000";

    private InstructionChatTemplate() {}

    /**
     * The chat template.
     *
     * @param template of instructions
     * @param tokenizer that the model is trained with
     * @return the same prompt as a chat template, or empty where the template is code and not text
     */
    public static Optional<ChatTemplate> of(PromptTemplate template, Tokenizer tokenizer) {
        return template.text().map(text -> ChatTemplate.of(NAME, source(text, tokenizer), Map.of()));
    }

    /**
     * The prompt template that a chat template was made of.
     *
     * @param template any chat template
     * @return the prompt template, or empty where it was made of none
     * @throws org.finetune4j.UserErrorException when its comment was changed into something else
     */
    public static Optional<PromptTemplate> promptTemplate(ChatTemplate template) {
        String source = template.source();
        int end = source.indexOf(END);
        if (!source.startsWith(BEGIN) || end < 0) {
            return Optional.empty();
        }
        JsonNode texts = Json.parse(source.substring(BEGIN.length(), end), template.name());
        return Optional.of(
                StringTemplate.of(texts.path(0).asText(), texts.path(1).asText()));
    }

    private static String source(StringTemplate template, Tokenizer tokenizer) {
        String prompt = template.prompt(new Instruction(INSTRUCTION, ""));
        String beginning = beginning(template.prompt(new Instruction("Who?", "")), tokenizer);
        String end = tokenizer.eosTokenId().isPresent()
                ? tokenizer.decode(new int[] {tokenizer.eosTokenId().getAsInt()}, false)
                : "";
        return BEGIN
                + comment(template)
                + END
                + (beginning.isEmpty() ? "" : "{{- " + literal(beginning) + " }}\n")
                + """
                {%- for message in messages %}
                    {%- if message['role'] == 'user' %}
                        {{- PROMPT }}
                    {%- elif message['role'] == 'assistant' %}
                        {{- message['content'] + END }}
                    {%- else %}
                        {{- raise_exception('this model was trained on instructions: there is no place for other messages') }}
                    {%- endif %}
                {%- endfor %}
                """.replace("PROMPT", expression(prompt)).replace("END", literal(end));
    }

    /**
     * What has to stand before a prompt, so that it becomes the tokens of the training: nothing, the text of the special tokens
     * that begin every text, or that and a blank, which SentencePiece adds to the begin of a text but not after those.
     */
    private static String beginning(String prompt, Tokenizer tokenizer) {
        int[] learned =
                new PromptCompletionTokenizer(tokenizer).tokenize(prompt, "").ids();
        int[] wanted = Arrays.copyOf(learned, learned.length - 1); // without the end of the empty answer
        String leading = tokenizer.decode(tokenizer.leadingSpecialTokens(), false);
        return Stream.of("", leading, leading + " ")
                .filter(begin -> Arrays.equals(tokenizer.encode(begin + prompt, false), wanted))
                .findFirst()
                .orElse(leading);
    }

    private static String comment(StringTemplate template) {
        // Neither a brace nor a mark of the comment's end may stand in it.
        return Json.write(List.of(template.withInput(), template.withoutInput()))
                .replace("#", "\\u0023")
                .replace("{", "\\u007b")
                .replace("}", "\\u007d")
                .replace("-", "\\u002d");
    }

    private static String expression(String prompt) {
        List<String> parts = new ArrayList<>();
        for (String part : prompt.split(INSTRUCTION, -1)) {
            parts.add(literal(part));
        }
        return String.join(" + message['content'] + ", parts);
    }

    /** A text as Jinja2 and Python write it. */
    private static String literal(String text) {
        return "'"
                + text.replace("\\", "\\\\")
                        .replace("'", "\\'")
                        .replace("\n", "\\n")
                        .replace("\r", "\\r")
                        .replace("\t", "\\t")
                + "'";
    }
}
