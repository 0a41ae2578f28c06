package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;

/**
 * Self-Instruct (Wang et al., 2022): an {@code instruction} and {@code instances} of {@code input} and {@code output}. A
 * record is one example, so it has one instance.
 */
public final class SelfInstructFormat implements RecordFormat {

    @Override
    public String name() {
        return "self_instruct";
    }

    @Override
    public List<String> keys() {
        return List.of("instruction", "instances");
    }

    @Override
    public boolean matches(JsonNode record) {
        return record.path("instruction").isTextual()
                && record.path("instances").path(0).isObject();
    }

    @Override
    public int detectionOrder() {
        return 45;
    }

    @Override
    public Example parse(JsonNode record) {
        JsonNode instances = record.path("instances");
        if (!instances.isArray() || instances.size() != 1 || !instances.path(0).isObject()) {
            throw new UserErrorException("'instances' must be a list of one {\"input\": ..., \"output\": ...}, got "
                    + (instances.isArray() ? instances.size() + " of them: write each as a record" : "something else"));
        }
        return new Instruction(
                RecordFields.requiredString(record, "instruction"),
                RecordFields.optionalString(instances.path(0), "input"),
                RecordFields.requiredString(instances.path(0), "output"));
    }
}
