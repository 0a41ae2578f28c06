package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;

/**
 * Stanford Alpaca: {@code instruction}, optional {@code input} (Dolly: {@code context}), {@code output} (or
 * {@code response}). With {@code system} or {@code history}
 * (LLaMA-Factory's additions, earlier pairs of question and answer) the record is a conversation.
 */
public final class AlpacaFormat implements RecordFormat {

    @Override
    public String name() {
        return "alpaca";
    }

    @Override
    public List<String> keys() {
        return List.of("instruction", "output", "input", "response", "context", "system", "system_prompt", "history");
    }

    @Override
    public boolean matches(JsonNode record) {
        return record.path("instruction").isTextual() && (record.has("output") || record.has("response"));
    }

    @Override
    public int detectionOrder() {
        return 50;
    }

    @Override
    public Example parse(JsonNode record) {
        String answer = record.has("output") || !record.has("response") ? "output" : "response";
        Instruction instruction = new Instruction(
                RecordFields.requiredString(record, "instruction"),
                RecordFields.optionalString(
                        record, record.has("context") && !record.has("input") ? "context" : "input"),
                RecordFields.requiredString(record, answer));
        String system = PromptedAnswers.system(record);
        List<Turn> history = history(record.path("history"));
        if (system.isEmpty() && history.isEmpty()) {
            return instruction;
        }
        List<Turn> turns = new ArrayList<>(history);
        turns.addAll(instruction.asConversation().turns());
        return new Conversation(turns, 0, null).withSystem(system);
    }

    private static List<Turn> history(JsonNode pairs) {
        List<Turn> turns = new ArrayList<>();
        if (pairs.isMissingNode() || pairs.isNull()) {
            return turns;
        }
        for (JsonNode pair : pairs) {
            if (!pair.path(0).isTextual() || !pair.path(1).isTextual() || pair.size() != 2) {
                throw new UserErrorException("'history' must be pairs of a question and an answer, got " + pair);
            }
            turns.add(Turn.user(pair.path(0).textValue()));
            turns.add(Turn.assistant(pair.path(1).textValue()));
        }
        return turns;
    }
}
