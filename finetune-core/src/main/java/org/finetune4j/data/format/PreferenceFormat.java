package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;
import org.jspecify.annotations.Nullable;

/**
 * Pairs of a {@code chosen} and a {@code rejected} answer: with their prompt apart (TRL's explicit form; LLaMA-Factory's
 * two), or as two whole texts or conversations that begin alike (the implicit form), also under
 * {@code chosen_messages} and {@code rejected_messages}.
 */
public final class PreferenceFormat implements RecordFormat {

    static final List<String> PROMPT_KEYS = List.of("prompt", "conversations", "messages", "instruction");
    private static final String MARGIN = "margin";
    private static final String ASSISTANT_MARK = "\n\nAssistant:";

    @Override
    public String name() {
        return "preference";
    }

    @Override
    public List<String> keys() {
        return List.of(
                "chosen",
                "rejected",
                "prompt",
                "instruction",
                "input",
                "conversations",
                "messages",
                "chosen_messages",
                "rejected_messages",
                MARGIN,
                "system",
                "system_prompt",
                "tools",
                "functions");
    }

    @Override
    public boolean matches(JsonNode record) {
        return (record.has("chosen") && record.has("rejected"))
                || (record.has("chosen_messages") && record.has("rejected_messages"));
    }

    @Override
    public int detectionOrder() {
        return 20;
    }

    @Override
    public Example parse(JsonNode record) {
        String suffix = record.has("chosen_messages") && !record.has("chosen") ? "_messages" : "";
        String chosenKey = "chosen" + suffix;
        String rejectedKey = "rejected" + suffix;
        if (PROMPT_KEYS.stream().anyMatch(record::has)) {
            return new PreferencePair(
                    PromptedAnswers.of(record, chosenKey), PromptedAnswers.of(record, rejectedKey), margin(record));
        }
        PreferencePair pair = record.path(chosenKey).isTextual()
                ? implicitTexts(
                        RecordFields.requiredString(record, chosenKey),
                        RecordFields.requiredString(record, rejectedKey))
                : implicitConversations(record, chosenKey, rejectedKey);
        return new PreferencePair(pair.chosen(), pair.rejected(), margin(record));
    }

    private static @Nullable Double margin(JsonNode record) {
        JsonNode margin = record.path(MARGIN);
        if (margin.isMissingNode() || margin.isNull()) {
            return null;
        }
        String text = margin.asText(); // tables hold texts
        try {
            double value = margin.isNumber() ? margin.doubleValue() : Double.parseDouble(text);
            if (Settings.isCalculable(value)) {
                return value;
            }
        } catch (NumberFormatException e) {
            // Said below.
        }
        throw new UserErrorException("'margin' must be a number, got " + RecordFields.shortened(text));
    }

    /** Where the texts part is where the answers begin, as in TRL; in a dialogue, after the last "Assistant:" before. */
    private static PreferencePair implicitTexts(String chosen, String rejected) {
        int common = 0;
        while (common < Math.min(chosen.length(), rejected.length())
                && chosen.charAt(common) == rejected.charAt(common)) {
            common++;
        }
        int mark = chosen.lastIndexOf(ASSISTANT_MARK, common - ASSISTANT_MARK.length());
        int start = common;
        if (mark >= 0) {
            start = mark + ASSISTANT_MARK.length();
        } else if (common > 0 && chosen.charAt(common - 1) == ' ') {
            start = common - 1;
        }
        String prompt = chosen.substring(0, start);
        return new PreferencePair(
                new PromptCompletion(prompt, chosen.substring(start)),
                new PromptCompletion(prompt, rejected.substring(start)));
    }

    private static PreferencePair implicitConversations(JsonNode record, String chosenKey, String rejectedKey) {
        List<Turn> chosen = conversation(record, chosenKey);
        List<Turn> rejected = conversation(record, rejectedKey);
        int common = 0;
        while (common < Math.min(chosen.size(), rejected.size())
                && chosen.get(common).equals(rejected.get(common))) {
            common++;
        }
        if (common == Math.min(chosen.size(), rejected.size())) {
            throw new UserErrorException("'" + chosenKey + "' and '" + rejectedKey + "' do not differ in an answer");
        }
        JsonNode tools = ToolReader.tools(record);
        return new PreferencePair(new Conversation(chosen, common, tools), new Conversation(rejected, common, tools));
    }

    private static List<Turn> conversation(JsonNode record, String key) {
        if (!record.has(key)) {
            RecordFields.requiredString(record, key); // says what there is instead
        }
        return new ArrayList<>(MessageReader.messagesOrText(record, key, Turn.ASSISTANT));
    }
}
