package org.finetune4j.peft.oft;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.ModuleSelection;
import org.jspecify.annotations.Nullable;

/**
 * Orthogonal fine-tuning (Qiu et al. 2023, arXiv:2306.07280; Qiu et al. 2025, arXiv:2506.19847): the input is turned, so that
 * angles between neurons stay. The settings have PEFT's names and defaults. One of the first two is 0 and follows from the other;
 * what does not divide a layer's input is moved to the nearest number that does.
 *
 * @param blocks how many blocks a layer's input is cut into, or 0
 * @param blockSize the length of a block, or 0
 * @param shared whether all blocks of a layer turn alike
 * @param neumann whether the inverse in Cayley's formula is a sum of powers
 * @param neumannTerms how many of them
 * @param neutral whether the adapter changes nothing at first
 * @param modules which layers, and which modules train as a whole
 */
public record Oft(
        int blocks,
        int blockSize,
        boolean shared,
        boolean neumann,
        int neumannTerms,
        boolean neutral,
        ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "OFT";

    private static final int MOST_TERMS = 64;

    static Oft from(Settings settings, ModuleSelection modules) {
        Oft config = new Oft(
                settings.integer("r", 0, 0, Settings.LARGEST_SIZE),
                settings.integer("oft_block_size", settings.integer("r", 0) > 0 ? 0 : 32, 0, Settings.LARGEST_SIZE),
                settings.flag("block_share", false),
                settings.flag("use_cayley_neumann", true),
                settings.integer("num_cayley_neumann_terms", 5, 1, MOST_TERMS),
                settings.flag("init_weights", true),
                modules);
        settings.number("eps", 0); // the bound of constrained OFT, which is refused: alone it changes nothing
        if ((config.blocks == 0) == (config.blockSize == 0)) {
            throw new UserErrorException(settings.origin() + ": 'r' is " + config.blocks + " and 'oft_block_size' "
                    + config.blockSize + ", expected one of them to be 0, which follows from the other");
        }
        return config;
    }

    /** The length of a block of an input of {@code in} features. */
    long blockSizeOf(long in) {
        return blockSize > 0 ? nearestDivisor(in, blockSize) : in / nearestDivisor(in, blocks);
    }

    /** The divisor that is nearest; of two the smaller one. */
    private static long nearestDivisor(long in, long wanted) {
        if (wanted >= in) {
            return in;
        }
        long higher = wanted;
        while (in % higher != 0) {
            higher++;
        }
        long lower = wanted;
        while (in % lower != 0) {
            lower--;
        }
        return wanted - lower <= higher - wanted ? lower : higher;
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        return (path, linear) -> new OftLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", blocks);
        json.put("oft_block_size", blockSize);
        json.put("block_share", shared);
        json.put("use_cayley_neumann", neumann);
        json.put("num_cayley_neumann_terms", neumannTerms);
        json.put("init_weights", neutral);
        return json;
    }
}
