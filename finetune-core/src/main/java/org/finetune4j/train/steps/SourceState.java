package org.finetune4j.train.steps;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Tensor;

/**
 * Where a source of steps is: what a checkpoint keeps of it.
 *
 * @param values a few numbers and texts by name
 * @param tensors larger things by name, such as the answers that are trained on
 */
public record SourceState(ObjectNode values, Map<String, Tensor> tensors) {

    /**
     * Copies the map.
     *
     * @param values a few numbers and texts by name
     * @param tensors larger things by name, such as the answers that are trained on
     */
    public SourceState {
        tensors = Map.copyOf(tensors);
    }

    /** {@return a state without anything, to put values into} */
    public static SourceState empty() {
        return new SourceState(Json.object(), Map.of());
    }

    /**
     * The same state with a value.
     *
     * @param key its name
     * @param value a number that a long holds
     * @return this state
     */
    public SourceState with(String key, long value) {
        values.put(key, value);
        return this;
    }

    /**
     * The same state with a value, which comes back exactly.
     *
     * @param key its name
     * @param value any number, also one that is not finite
     * @return this state
     */
    public SourceState with(String key, double value) {
        if (Double.isFinite(value)) {
            values.put(key, value);
        } else {
            values.put(key, Double.toString(value));
        }
        return this;
    }

    /**
     * A whole number.
     *
     * @param key its name
     * @param limit the largest that makes sense
     * @return from 0 to {@code limit}
     * @throws UserErrorException when there is no such number
     */
    public long natural(String key, long limit) {
        JsonNode value = values.path(key);
        if (!value.isIntegralNumber()
                || !value.canConvertToLong()
                || value.longValue() < 0
                || value.longValue() > limit) {
            throw new UserErrorException("'" + key + "' is " + (value.isMissingNode() ? "missing" : value)
                    + ", expected a number from 0 to " + limit);
        }
        return value.longValue();
    }

    /**
     * A number.
     *
     * @param key its name
     * @return as {@link #with(String, double)} got it
     * @throws UserErrorException when there is no such number
     */
    public double number(String key) {
        JsonNode value = values.path(key);
        if (value.isNumber()) {
            return value.doubleValue();
        }
        return switch (value.asText()) {
            case "Infinity" -> Double.POSITIVE_INFINITY;
            case "-Infinity" -> Double.NEGATIVE_INFINITY;
            case "NaN" -> Double.NaN;
            default ->
                throw new UserErrorException(
                        "'" + key + "' is " + (value.isMissingNode() ? "missing" : value) + ", expected a number");
        };
    }

    /**
     * A tensor.
     *
     * @param name of the tensor
     * @return the tensor
     * @throws UserErrorException when there is none
     */
    public Tensor tensor(String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new UserErrorException("there is no tensor '" + name + "'");
        }
        return tensor;
    }
}
