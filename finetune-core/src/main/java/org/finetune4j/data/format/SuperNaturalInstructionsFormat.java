package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;

/**
 * Task files of Super-NaturalInstructions (Wang et al., 2022): a {@code Definition} and {@code Instances}. The
 * definition is the instruction; of several outputs the first is learned. A record is the task with one instance.
 */
public final class SuperNaturalInstructionsFormat implements RecordFormat {

    @Override
    public String name() {
        return "super_ni";
    }

    @Override
    public List<String> keys() {
        return List.of("Definition", "Instances");
    }

    @Override
    public boolean matches(JsonNode record) {
        return record.has("Definition") && record.path("Instances").path(0).isObject();
    }

    @Override
    public int detectionOrder() {
        return 10;
    }

    @Override
    public boolean recordsOfAFileAreOneTask() {
        return true;
    }

    @Override
    public Example parse(JsonNode record) {
        JsonNode definition = record.path("Definition");
        JsonNode instance = record.path("Instances").path(0);
        String instruction = definition.isArray() ? definition.path(0).asText() : definition.asText();
        if (instruction.isBlank()) {
            throw new UserErrorException("the task has no 'Definition', expected a file of Super-NaturalInstructions");
        }
        if (!instance.isObject()) {
            throw new UserErrorException("the task has no 'Instances', expected a file of Super-NaturalInstructions");
        }
        JsonNode output = instance.path("output");
        JsonNode answer = output.isArray() ? output.path(0) : output;
        if (!answer.isTextual()) {
            throw new UserErrorException("the instance has no 'output', expected a text or a list of texts");
        }
        return new Instruction(instruction.strip(), RecordFields.requiredString(instance, "input"), answer.textValue());
    }
}
