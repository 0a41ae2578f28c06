package org.finetune4j.train.optimizer;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/**
 * Which optimizer, and its settings.
 *
 * @param name as {@code optim} names it, see {@link OptimizerProvider#all()}
 * @param beta1 decay of the first moment, where there is one
 * @param beta2 decay of the second moment
 * @param epsilon added to the root of the second moment
 * @param momentum of SGD and RMSprop
 * @param arguments settings that only this optimizer has, {@code optim_args} in configurations
 */
public record OptimizerOptions(
        String name, double beta1, double beta2, double epsilon, double momentum, Map<String, String> arguments) {

    /**
     * Copies the arguments.
     *
     * @param name as {@code optim} names it, see {@link OptimizerProvider#all()}
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param epsilon added to the root of the second moment
     * @param momentum of SGD and RMSprop
     * @param arguments settings that only this optimizer has, {@code optim_args} in configurations
     */
    public OptimizerOptions {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(arguments, "arguments");
        arguments = Collections.unmodifiableMap(new LinkedHashMap<>(arguments));
    }

    /**
     * AdamW with PyTorch's defaults.
     *
     * @return the options
     */
    public static OptimizerOptions adamW() {
        return new OptimizerOptions("adamw", 0.9, 0.999, 1e-8, 0, Map.of());
    }

    /**
     * {@return the same with other {@code arguments}}
     *
     * @param newArguments take the place of the others
     */
    public OptimizerOptions withArguments(Map<String, String> newArguments) {
        return new OptimizerOptions(name, beta1, beta2, epsilon, momentum, newArguments);
    }

    /**
     * An argument as a number, or {@code fallback}.
     *
     * @param key name of an argument
     * @param fallback what is given where the argument is not set
     * @return the number
     */
    public double number(String key, double fallback) {
        String text = arguments.get(key);
        try {
            double number = text == null ? fallback : Double.parseDouble(text);
            if (Settings.isCalculable(number)) {
                return number;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw new UserErrorException(
                "optim_args: '" + key + "' is " + text + ", expected a number that a float32 can hold");
    }

    /**
     * An argument as a truth value, or {@code fallback}; {@code True} and {@code False} are fine too.
     *
     * @param key name of an argument
     * @param fallback what is given where the argument is not set
     * @return the value
     */
    public boolean flag(String key, boolean fallback) {
        String text = arguments.get(key);
        if (text == null) {
            return fallback;
        }
        if (text.equalsIgnoreCase("true") || text.equalsIgnoreCase("false")) {
            return Boolean.parseBoolean(text);
        }
        throw new UserErrorException("optim_args: '" + key + "' is " + text + ", expected true or false");
    }

    /**
     * Refuses arguments of other names.
     *
     * @param allowed all names that the optimizer knows
     * @throws UserErrorException for the first one, with the nearest valid name
     */
    public void allowArguments(Set<String> allowed) {
        for (String key : arguments.keySet()) {
            if (!allowed.contains(key)) {
                throw new UserErrorException("optim_args: " + name + " has no '" + key + "'"
                        + (allowed.isEmpty() ? ": it has none" : Suggestions.didYouMean(key, allowed)));
            }
        }
    }
}
