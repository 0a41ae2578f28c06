package org.finetune4j.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.finetune4j.Json;
import org.jspecify.annotations.Nullable;

/**
 * The best evaluation of a run so far, with all that makes its value comparable with another's.
 *
 * @param rules what was measured, and on what
 * @param value of the metric
 * @param step optimizer steps done when it was made
 */
record BestEvaluation(Rules rules, double value, long step) {

    /**
     * What decides which model is best. Values under other rules cannot be compared.
     *
     * @param metric its name
     * @param greaterIsBetter which way it goes
     * @param heldOut the samples that it is measured on, see {@link RunFingerprint}
     */
    record Rules(String metric, boolean greaterIsBetter, String heldOut) {

        String describe() {
            return metric + (greaterIsBetter ? " (greater is better)" : "") + " on " + heldOut;
        }
    }

    ObjectNode toJson() {
        return Json.object()
                .put("metric", rules.metric())
                .put("greater_is_better", rules.greaterIsBetter())
                .put("held_out", rules.heldOut())
                .put("value", value)
                .put("step", step);
    }

    /** What {@link #toJson} wrote, or null when this is something else. */
    static @Nullable BestEvaluation of(JsonNode json) {
        boolean whole = json.path("metric").isTextual()
                && json.path("greater_is_better").isBoolean()
                && json.path("held_out").isTextual()
                && json.path("value").isNumber()
                && json.path("step").isIntegralNumber();
        if (!whole) {
            return null;
        }
        Rules rules = new Rules(
                json.path("metric").textValue(),
                json.path("greater_is_better").booleanValue(),
                json.path("held_out").textValue());
        return new BestEvaluation(
                rules, json.path("value").doubleValue(), json.path("step").longValue());
    }

    /** For people: {@code loss 1.25 of step 40}. */
    String describe() {
        return rules.metric() + " " + value + " of step " + step;
    }
}
