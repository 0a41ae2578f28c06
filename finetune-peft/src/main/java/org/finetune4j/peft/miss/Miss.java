package org.finetune4j.peft.miss;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.ModuleSelection;
import org.jspecify.annotations.Nullable;

/**
 * MiSS (Kang and Yin 2024, arXiv:2409.15371, matrix shard sharing; formerly Bone): one small matrix is added to every shard of a weight. The
 * settings have PEFT's names and defaults.
 *
 * @param rank how many inputs a shard has
 * @param miniRank how many outputs share a number in the form {@link Form#MINI}
 * @param dropout probability of dropping an element of the input in training
 * @param form what is learned
 * @param modules which layers, and which modules train as a whole
 */
public record Miss(int rank, int miniRank, double dropout, Form form, ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "MISS";

    /** PEFT's {@code init_weights}, which says more than the start. */
    public enum Form {
        /** A matrix [r, out]. */
        PLAIN(true),
        /** A matrix [r, mini_r], repeated over the outputs. */
        MINI("mini"),
        /** Matrices [r, r] by which the weight itself is multiplied as well. */
        BAT("bat"),
        /** As {@link #PLAIN}, but random at first, which is useful in tests only. */
        RANDOM(false);

        private final Object peftValue;

        Form(Object peftValue) {
            this.peftValue = peftValue;
        }
    }

    /**
     * {@return PEFT's defaults for these modules}
     *
     * @param modules which layers are adapted, and which modules train as a whole
     */
    public static Miss of(ModuleSelection modules) {
        return new Miss(64, 1, 0, Form.PLAIN, modules);
    }

    static Miss from(Settings settings, ModuleSelection modules) {
        return new Miss(
                settings.integer("r", 64, 1, Settings.LARGEST_SIZE),
                settings.integer("mini_r", 1, 1, Settings.LARGEST_SIZE),
                settings.number("miss_dropout", 0, 0, 0.999),
                switch (settings.text("init_weights").orElse("true")) {
                    case "true" -> Form.PLAIN;
                    case "mini" -> Form.MINI;
                    case "bat" -> Form.BAT;
                    case "false" -> Form.RANDOM;
                    default -> throw settings.invalid("init_weights", "true, false, mini or bat");
                },
                modules);
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public boolean worksOnSlices() {
        return form != Form.BAT;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        return (path, linear) -> new MissLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("mini_r", miniRank);
        json.put("miss_dropout", dropout);
        json.put("init_weights", form.peftValue);
        return json;
    }
}
