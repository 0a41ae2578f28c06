package org.finetune4j.peft.c3a;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.Patterns;
import org.jspecify.annotations.Nullable;

/**
 * C3A (Chen et al. 2024, arXiv:2407.19342, circular convolution adaptation): the change of a weight consists of circulant blocks, each of
 * which is one row. The settings have PEFT's names and defaults.
 *
 * @param blockSize the side of a block, which divides a layer's inputs and outputs
 * @param start what the rows start from
 * @param blockSizePattern other sides, by regular expressions that match the end of a path; the first match wins
 * @param modules which layers, and which modules train as a whole
 */
public record C3a(int blockSize, Start start, Map<String, Integer> blockSizePattern, ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "C3A";

    /** PEFT's {@code init_weights}. */
    public enum Start {
        /** Uniform, by inputs and outputs: PEFT's default. */
        XAVIER_UNIFORM("xavier_uniform"),
        /** Uniform, by inputs. */
        KAIMING_UNIFORM("kaiming_uniform"),
        /** Standard normal. */
        GAUSSIAN("gaussian"),
        /** Zero: the adapter changes nothing at first. */
        ZERO(true);

        private final Object peftValue;

        Start(Object peftValue) {
            this.peftValue = peftValue;
        }
    }

    /**
     * Keeps a copy of the pattern.
     *
     * @param blockSize the side of a block, which divides a layer's inputs and outputs
     * @param start what the rows start from
     * @param blockSizePattern other sides, by regular expressions that match the end of a path; the first match wins
     * @param modules which layers, and which modules train as a whole
     */
    public C3a {
        blockSizePattern = Collections.unmodifiableMap(new LinkedHashMap<>(blockSizePattern));
    }

    static C3a from(Settings settings, ModuleSelection modules) {
        return new C3a(
                settings.integer("block_size", 256, 1, Settings.LARGEST_SIZE),
                switch (settings.text("init_weights").orElse("xavier_uniform")) {
                    case "xavier_uniform", "false" -> Start.XAVIER_UNIFORM;
                    case "kaiming_uniform" -> Start.KAIMING_UNIFORM;
                    case "gaussian" -> Start.GAUSSIAN;
                    case "true" -> Start.ZERO;
                    default ->
                        throw settings.invalid(
                                "init_weights", "xavier_uniform, kaiming_uniform, gaussian, true or false");
                },
                Patterns.checked(settings, "block_size_pattern", settings.integersByName("block_size_pattern")),
                modules);
    }

    int blockSizeOf(String path) {
        return Patterns.firstMatch(blockSizePattern, path).orElse(blockSize);
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public boolean worksOnSlices() {
        return true;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        return (path, linear) -> new C3aLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("block_size", blockSize);
        json.put("init_weights", start.peftValue);
        json.put("block_size_pattern", blockSizePattern);
        return json;
    }
}
