package org.finetune4j.peft.road;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.ModuleSelection;
import org.jspecify.annotations.Nullable;

/**
 * RoAd (Liao and Monz 2024, arXiv:2409.00119): pairs of a layer's outputs are rotated and scaled. The settings have PEFT's names and
 * defaults.
 *
 * @param variant how many numbers a pair has
 * @param groupSize outputs in groups of so many are paired across the halves of their group
 * @param neutral whether the adapter changes nothing at first
 * @param modules which layers, and which modules train as a whole
 */
public record Road(Variant variant, int groupSize, boolean neutral, ModuleSelection modules) implements LinearStrategy {

    static final String PEFT_TYPE = "ROAD";

    /** How many numbers a pair has, by PEFT's names. */
    public enum Variant {
        /** One angle and one length. */
        ROAD_1(1),
        /** An angle and a length for each of the two. */
        ROAD_2(2),
        /** Twice as many: cosine and sine have angles and lengths of their own. */
        ROAD_4(4);

        private final int numbers;

        Variant(int numbers) {
            this.numbers = numbers;
        }

        /** How many angles there are for so many outputs; there are as many lengths. */
        long size(long out) {
            return out * numbers / 2;
        }

        private String peftName() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    static Road from(Settings settings, ModuleSelection modules) {
        String name = settings.text("variant").orElse("road_1");
        List<String> names =
                Arrays.stream(Variant.values()).map(Variant::peftName).toList();
        if (!names.contains(name)) {
            throw new UserErrorException(
                    settings.origin() + ": 'variant' is " + name + Suggestions.didYouMean(name, names));
        }
        int groupSize = settings.integer("group_size", 64, 2, Settings.LARGEST_SIZE);
        if (groupSize % 2 != 0) {
            throw settings.invalid("group_size", "an even number");
        }
        return new Road(Variant.values()[names.indexOf(name)], groupSize, settings.flag("init_weights", true), modules);
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        return (path, linear) -> new RoadLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("variant", variant.peftName());
        json.put("group_size", groupSize);
        json.put("init_weights", neutral);
        return json;
    }
}
