package org.finetune4j.peft.lokr;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.peft.LycorisConfig;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftKeys;
import org.jspecify.annotations.Nullable;

/**
 * The settings of LoKr, with PEFT's names and defaults.
 *
 * @param shared rank, alpha, dropout and layers
 * @param decomposeBoth whether the first factor may be a low-rank product as well
 * @param decomposeFactor the wanted smaller side of a factor, or -1 for as square as possible
 * @param rankDropoutScale whether {@code rank_dropout} scales up what it leaves
 * @param start what the factors start from
 */
public record LokrConfig(
        LycorisConfig shared, boolean decomposeBoth, int decomposeFactor, boolean rankDropoutScale, Start start) {

    static final String PEFT_TYPE = "LOKR";

    /** PEFT's {@code init_weights}. */
    public enum Start {
        /** The first factor is zero. */
        NEUTRAL(true),
        /** The second factor is zero, as in the LyCORIS library. */
        LYCORIS("lycoris"),
        /** Nothing is zero, which is useful in tests only. */
        RANDOM(false);

        private final Object peftValue;

        Start(Object peftValue) {
            this.peftValue = peftValue;
        }
    }

    /**
     * {@return PEFT's defaults with these shared settings}
     *
     * @param shared rank, alpha, dropout and modules
     */
    public static LokrConfig of(LycorisConfig shared) {
        return new LokrConfig(shared, false, -1, false, Start.NEUTRAL);
    }

    static LokrConfig from(Settings settings, boolean fromFile) {
        LokrConfig config = new LokrConfig(
                LycorisConfig.from(settings, fromFile),
                settings.flag("decompose_both", false),
                settings.integer("decompose_factor", -1),
                settings.flag("rank_dropout_scale", false),
                start(settings));
        List<String> implemented = new ArrayList<>(config.toJson().keySet());
        implemented.addAll(ModuleSelection.keys());
        PeftKeys.refuseOthers(settings, PEFT_TYPE, implemented);
        return config;
    }

    private static Start start(Settings settings) {
        return switch (settings.text("init_weights").orElse("true")) {
            case "true" -> Start.NEUTRAL;
            case "lycoris" -> Start.LYCORIS;
            case "false" -> Start.RANDOM;
            default -> throw settings.invalid("init_weights", "true, false or lycoris");
        };
    }

    Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>(shared.toJson());
        json.put("decompose_both", decomposeBoth);
        json.put("decompose_factor", decomposeFactor);
        json.put("rank_dropout_scale", rankDropoutScale);
        json.put("init_weights", start.peftValue);
        return json;
    }
}
