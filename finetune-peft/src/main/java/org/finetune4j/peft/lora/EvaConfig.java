package org.finetune4j.peft.lora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;

/**
 * The settings of EVA, a start from the data (Paischer et al. 2024), with PEFT's names and defaults.
 *
 * @param rho a layer gets at most this many times the usual rank; 1 leaves all ranks as they are
 * @param tau directions have settled when the cosine of the old and the new one is at least this
 * @param useLabelMask whether only tokens with a label are looked at
 * @param whiten whether each direction is divided by the square root of its singular value
 * @param adjustScalingFactors whether alpha changes with a layer's rank, so that its scale stays what it was
 */
public record EvaConfig(double rho, double tau, boolean useLabelMask, boolean whiten, boolean adjustScalingFactors) {

    static final String KEY = "eva_config";

    private static final EvaConfig DEFAULTS = new EvaConfig(2, 0.99, true, false, true);

    /**
     * Checks the numbers.
     *
     * @param rho a layer gets at most this many times the usual rank; 1 leaves all ranks as they are
     * @param tau directions have settled when the cosine of the old and the new one is at least this
     * @param useLabelMask whether only tokens with a label are looked at
     * @param whiten whether each direction is divided by the square root of its singular value
     * @param adjustScalingFactors whether alpha changes with a layer's rank, so that its scale stays what it was
     * @throws UserErrorException when one is out of its range
     */
    public EvaConfig {
        if (!(rho >= 1)) {
            throw new UserErrorException(KEY + ": rho is " + rho + ", expected at least 1");
        }
        if (!(tau >= 0 && tau <= 1)) {
            throw new UserErrorException(KEY + ": tau is " + tau + ", expected a number from 0 to 1");
        }
    }

    /** {@return PEFT's defaults} */
    public static EvaConfig defaults() {
        return DEFAULTS;
    }

    /**
     * {@return the same with other ranks at most}
     *
     * @param newRho a layer gets at most this many times the usual rank; at least 1
     */
    public EvaConfig withRho(double newRho) {
        return new EvaConfig(newRho, tau, useLabelMask, whiten, adjustScalingFactors);
    }

    /**
     * Reads {@code eva_config}.
     *
     * @param fromFile whether the settings are PEFT's own file, where other keys do not matter
     */
    static EvaConfig from(Settings settings, boolean fromFile) {
        Object value = settings.value(KEY).orElse(Map.of());
        if (!(value instanceof Map<?, ?> map)) {
            throw settings.invalid(KEY, "keys with values, such as {rho: 2.0}");
        }
        Map<String, Object> values = new LinkedHashMap<>();
        map.forEach((key, inner) -> values.put(String.valueOf(key), inner));
        Settings own = new Settings(settings.origin() + ": " + KEY, values);
        EvaConfig config = new EvaConfig(
                own.number("rho", DEFAULTS.rho, 1, 1000),
                own.number("tau", DEFAULTS.tau, -1, 1),
                own.flag("use_label_mask", DEFAULTS.useLabelMask),
                own.flag("whiten", DEFAULTS.whiten),
                own.flag("adjust_scaling_factors", DEFAULTS.adjustScalingFactors));
        if (own.integer("label_mask_value", -100) != -100) {
            throw own.invalid("label_mask_value", "-100");
        }
        if (!fromFile) {
            own.refuseUnknown();
        }
        return config;
    }

    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("rho", rho);
        json.put("tau", tau);
        json.put("use_label_mask", useLabelMask);
        json.put("label_mask_value", -100);
        json.put("whiten", whiten);
        json.put("adjust_scaling_factors", adjustScalingFactors);
        return json;
    }
}
