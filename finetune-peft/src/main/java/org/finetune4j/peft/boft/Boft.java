package org.finetune4j.peft.boft;

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
 * Orthogonal butterfly fine-tuning (Liu et al. 2024, arXiv:2311.06243): as OFT, with a product of several block-diagonal rotations, between
 * which the features change places as in a fast Fourier transform, and a scale for each output. The settings have PEFT's names and defaults.
 *
 * @param blockSize the length of a block, or 0 where their number is given
 * @param blocks how many blocks a layer's input is cut into, or 0 where their length is given
 * @param factors how many rotations are multiplied
 * @param dropout the share of one rotation's blocks that do nothing in a step of training
 * @param neutral whether the adapter changes nothing at first
 * @param modules which layers, and which modules train as a whole
 */
public record Boft(int blockSize, int blocks, int factors, double dropout, boolean neutral, ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "BOFT";

    private static final int MOST_FACTORS = 24;

    static Boft from(Settings settings, ModuleSelection modules) {
        int blocks = settings.integer("boft_block_num", 0, 0, Settings.LARGEST_SIZE);
        Boft boft = new Boft(
                settings.integer("boft_block_size", blocks > 0 ? 0 : 4, 0, Settings.LARGEST_SIZE),
                blocks,
                settings.integer("boft_n_butterfly_factor", 1, 1, MOST_FACTORS),
                settings.number("boft_dropout", 0, 0, 0.999),
                settings.flag("init_weights", true),
                modules);
        if ((boft.blocks == 0) == (boft.blockSize == 0)) {
            throw new UserErrorException(settings.origin() + ": 'boft_block_num' is " + boft.blocks
                    + " and 'boft_block_size' " + boft.blockSize
                    + ", expected one of them to be 0, which follows from the other");
        }
        return boft;
    }

    /** The length of a block of the input of a layer. */
    int blockSizeOf(String path, long in) {
        long given = blocks > 0 ? blocks : blockSize;
        if (in % given != 0) {
            throw new UserErrorException((blocks > 0 ? "'boft_block_num'" : "'boft_block_size'") + " is " + given
                    + ", which does not divide the " + in + " inputs of " + path);
        }
        long size = blocks > 0 ? in / blocks : blockSize;
        long whole = size << (factors - 1); // what the last factor mixes
        if (factors > 1 && (size % 2 != 0 || in % whole != 0)) {
            throw new UserErrorException("'boft_n_butterfly_factor' is " + factors
                    + ", which needs blocks of an even length, "
                    + (1L << (factors - 1)) + " of which divide the " + in + " inputs of " + path + ": they are " + size
                    + " long");
        }
        return Math.toIntExact(size);
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        return (path, linear) -> new BoftLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("boft_block_size", blockSize);
        json.put("boft_block_num", blocks);
        json.put("boft_n_butterfly_factor", factors);
        json.put("boft_dropout", dropout);
        json.put("init_weights", neutral);
        return json;
    }
}
