package org.finetune4j.peft.lokr;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.LycorisConfig;
import org.finetune4j.peft.ModuleSelection;
import org.jspecify.annotations.Nullable;

/**
 * LoKr (Yeh et al. 2024): the change of a weight is a Kronecker product of two small matrices. The settings have PEFT's names and
 * defaults.
 *
 * @param shared rank, alpha, dropout and layers
 * @param decomposeBoth whether the first factor may be a low-rank product as well
 * @param decomposeFactor the wanted smaller side of a factor, or -1 for as square as possible
 * @param rankDropoutScale whether {@code rank_dropout} scales up what it leaves
 * @param start what the factors start from
 */
public record Lokr(
        LycorisConfig shared, boolean decomposeBoth, int decomposeFactor, boolean rankDropoutScale, Start start)
        implements LinearStrategy {

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
    public static Lokr of(LycorisConfig shared) {
        return new Lokr(shared, false, -1, false, Start.NEUTRAL);
    }

    static Lokr from(Settings settings, ModuleSelection modules) {
        return new Lokr(
                LycorisConfig.from(settings, modules),
                settings.flag("decompose_both", false),
                settings.integer("decompose_factor", -1),
                settings.flag("rank_dropout_scale", false),
                start(settings));
    }

    private static Start start(Settings settings) {
        return switch (settings.text("init_weights").orElse("true")) {
            case "true" -> Start.NEUTRAL;
            case "lycoris" -> Start.LYCORIS;
            case "false" -> Start.RANDOM;
            default -> throw settings.invalid("init_weights", "true, false or lycoris");
        };
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public ModuleSelection modules() {
        return shared.modules();
    }

    @Override
    public boolean worksOnSlices() {
        return true;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        return (path, linear) -> new LokrLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>(shared.toJson());
        json.put("decompose_both", decomposeBoth);
        json.put("decompose_factor", decomposeFactor);
        json.put("rank_dropout_scale", rankDropoutScale);
        json.put("init_weights", start.peftValue);
        return json;
    }
}
