package org.finetune4j.peft.oft;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftKeys;
import org.jspecify.annotations.Nullable;

/**
 * The settings of OFT, with PEFT's names and defaults. One of the first two is 0 and follows from the other; what does not divide a
 * layer's input is moved to the nearest number that does.
 *
 * @param blocks how many blocks a layer's input is cut into, or 0
 * @param blockSize the length of a block, or 0
 * @param shared whether all blocks of a layer turn alike
 * @param neumann whether the inverse in Cayley's formula is a sum of powers
 * @param neumannTerms how many of them
 * @param neutral whether the adapter changes nothing at first
 * @param modules which layers, and which modules train as a whole
 */
public record OftConfig(
        int blocks,
        int blockSize,
        boolean shared,
        boolean neumann,
        int neumannTerms,
        boolean neutral,
        ModuleSelection modules) {

    static final String PEFT_TYPE = "OFT";

    private static final int MOST_TERMS = 64;

    static OftConfig from(Settings settings, boolean fromFile) {
        OftConfig config = new OftConfig(
                settings.integer("r", 0, 0, Settings.LARGEST_SIZE),
                settings.integer("oft_block_size", settings.integer("r", 0) > 0 ? 0 : 32, 0, Settings.LARGEST_SIZE),
                settings.flag("block_share", false),
                settings.flag("use_cayley_neumann", true),
                settings.integer("num_cayley_neumann_terms", 5, 1, MOST_TERMS),
                settings.flag("init_weights", true),
                ModuleSelection.from(settings, fromFile));
        if ((config.blocks == 0) == (config.blockSize == 0)) {
            throw new UserErrorException(settings.origin() + ": 'r' is " + config.blocks + " and 'oft_block_size' "
                    + config.blockSize + ", expected one of them to be 0, which follows from the other");
        }
        List<String> implemented = new ArrayList<>(config.toJson().keySet());
        implemented.addAll(ModuleSelection.keys());
        settings.number("eps", 0); // the bound of constrained OFT, which is refused: alone it changes nothing
        implemented.add("eps");
        PeftKeys.refuseOthers(settings, PEFT_TYPE, implemented);
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

    Map<String, @Nullable Object> toJson() {
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
