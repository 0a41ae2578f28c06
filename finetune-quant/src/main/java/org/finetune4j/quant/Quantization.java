package org.finetune4j.quant;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.WeightCompression;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;

/**
 * How the linear layers of a model are quantised. Embeddings, norms and the output layer never are.
 *
 * <pre>{@code
 * LoadOptions options = LoadOptions.defaults().withCompression(Quantization.qlora().compression());
 * try (CausalLM model = CausalLM.load(Path.of("models/Llama-2-7b"), options)) { ... }
 * }</pre>
 *
 * @param type how a weight is stored
 * @param blockSize values that share a scale, for the 4-bit kinds
 * @param doubleQuantization whether the scales of the 4-bit kinds are in 8 bits themselves: 0.5158 instead of 0.5625 bytes a
 *     weight at a block size of 64
 * @param skipModules names of linear layers, or the ends of their paths, that stay as they are
 */
public record Quantization(QuantizationType type, int blockSize, boolean doubleQuantization, List<String> skipModules) {

    /** The block size of bitsandbytes. */
    public static final int DEFAULT_BLOCK_SIZE = 64;

    private static final int SCALES_A_BLOCK = 256;
    private static final String COMPUTE_DTYPE = "bnb_4bit_compute_dtype";
    private static final List<Integer> BLOCK_SIZES = List.of(32, 64, 128, 256, 512, 1024, 2048, 4096);
    private static final List<String> OUTPUT_LAYERS = List.of("lm_head", "embed_out", "score", "classifier");

    /**
     * Checks the block size and keeps a copy of the list.
     *
     * @param type how a weight is stored
     * @param blockSize values that share a scale, for the 4-bit kinds
     * @param doubleQuantization whether the scales of the 4-bit kinds are in 8 bits themselves: 0.5158 instead of 0.5625
     *     bytes a weight at a block size of 64
     * @param skipModules names of linear layers, or the ends of their paths, that stay as they are
     * @throws UserErrorException when the block size is not a power of two from 32 to 4096
     */
    public Quantization {
        skipModules = List.copyOf(skipModules);
        if (!BLOCK_SIZES.contains(blockSize)) {
            throw new UserErrorException(
                    "a block size of " + blockSize + " is not possible, expected one of " + BLOCK_SIZES);
        }
    }

    /**
     * {@return a kind with bitsandbytes' defaults: blocks of 64, plain scales, no output layer}
     *
     * @param type how a weight is stored
     */
    public static Quantization of(QuantizationType type) {
        return new Quantization(type, DEFAULT_BLOCK_SIZE, false, OUTPUT_LAYERS);
    }

    /** {@return what the QLoRA paper uses: NF4 with double quantisation} */
    public static Quantization qlora() {
        return of(QuantizationType.NF4).withDoubleQuantization(true);
    }

    /**
     * {@return the same with another size of the 4-bit blocks}
     *
     * @param newBlockSize a power of two from 32 to 4096
     */
    public Quantization withBlockSize(int newBlockSize) {
        return new Quantization(type, newBlockSize, doubleQuantization, skipModules);
    }

    /**
     * {@return the same with or without double quantisation}
     *
     * @param newDoubleQuantization whether the scales of the 4-bit kinds are in 8 bits themselves
     */
    public Quantization withDoubleQuantization(boolean newDoubleQuantization) {
        return new Quantization(type, blockSize, newDoubleQuantization, skipModules);
    }

    /**
     * Leaves further layers as they are.
     *
     * @param names names of linear layers, or the ends of their paths
     * @return the same otherwise
     */
    public Quantization skipping(List<String> names) {
        List<String> all = new ArrayList<>(skipModules);
        all.addAll(names);
        return new Quantization(type, blockSize, doubleQuantization, all);
    }

    /**
     * Reads the keys that transformers' {@code BitsAndBytesConfig} has: {@code load_in_4bit}, {@code load_in_8bit}, {@code
     * bnb_4bit_quant_type} (fp4 unless said), {@code bnb_4bit_use_double_quant}, {@code bnb_4bit_blocksize}, {@code
     * bnb_4bit_compute_dtype} and {@code llm_int8_skip_modules}.
     *
     * @param settings of the key {@code quantization_config}, or any others with these keys
     * @return nothing when neither 4 nor 8 bits are asked for
     * @throws UserErrorException for a value that cannot be used, or 4-bit keys without {@code load_in_4bit}
     */
    public static Optional<Quantization> of(Settings settings) {
        boolean four = settings.flag("load_in_4bit", false);
        boolean eight = settings.flag("load_in_8bit", false);
        if (four && eight) {
            throw settings.invalid("load_in_8bit", "only one of load_in_4bit and load_in_8bit");
        }
        for (String key :
                List.of("bnb_4bit_quant_type", "bnb_4bit_use_double_quant", "bnb_4bit_blocksize", COMPUTE_DTYPE)) {
            if (settings.has(key) && !four && !settings.text(key).equals(Optional.of("false"))) {
                throw settings.invalid(key, "load_in_4bit: true beside it");
            }
        }
        String kind = settings.text("bnb_4bit_quant_type").orElse("fp4");
        String where = settings.origin() + ": 'bnb_4bit_quant_type'";
        QuantizationType type = QuantizationType.named(kind, where);
        if (!type.isFourBit()) {
            throw settings.invalid("bnb_4bit_quant_type", "nf4 or fp4");
        }
        computeDType(settings); // asked for here, so that it is known and checked
        int blockSize = settings.integer("bnb_4bit_blocksize", DEFAULT_BLOCK_SIZE, 1);
        if (!BLOCK_SIZES.contains(blockSize)) {
            throw settings.invalid("bnb_4bit_blocksize", "one of " + BLOCK_SIZES);
        }
        boolean nested = settings.flag("bnb_4bit_use_double_quant", false);
        List<String> skipped = settings.texts("llm_int8_skip_modules");
        if (!four && !eight) {
            return Optional.empty();
        }
        Quantization base = of(eight ? QuantizationType.INT8 : type);
        return Optional.of(
                base.withBlockSize(blockSize).withDoubleQuantization(nested).skipping(skipped));
    }

    /**
     * The type of the calculation follows from the device and {@code dtype}; {@code bnb_4bit_compute_dtype} is obeyed where
     * it says that type, and refused elsewhere.
     *
     * @param settings what {@link #of(Settings)} was read from
     * @param device where the model goes
     * @throws UserErrorException when the settings ask for another type than this device calculates in
     */
    public static void checkComputeDType(Settings settings, Device device) {
        DType wanted = computeDType(settings).orElse(null);
        if (wanted == null) {
            return;
        }
        DType computed = device.equals(Device.CPU)
                ? DType.FLOAT32
                : choice(settings, "dtype").orElse(wanted);
        if (wanted != computed) {
            throw settings.invalid(
                    COMPUTE_DTYPE,
                    computed.torchName() + ", the type that " + device + " calculates in with these settings");
        }
    }

    private static Optional<DType> computeDType(Settings settings) {
        return choice(settings, COMPUTE_DTYPE);
    }

    private static Optional<DType> choice(Settings settings, String key) {
        return settings.text(key).flatMap(name -> DType.parseChoice(settings.origin() + ": '" + key + "'", name));
    }

    /**
     * {@return whether the weight of this name is quantised}
     *
     * @param weightName full name in the model, such as {@code model.layers.0.mlp.up_proj.weight}
     */
    public boolean covers(String weightName) {
        String path = weightName.endsWith(".weight")
                ? weightName.substring(0, weightName.length() - ".weight".length())
                : weightName;
        return skipModules.stream()
                .noneMatch(name -> path.equals(name)
                        || path.endsWith("." + name)
                        || path.startsWith(name + ".")
                        || path.contains("." + name + "."));
    }

    /**
     * What a weight of this form takes, without the table of its scales, which large ones share little of.
     *
     * @param numel how many numbers the weight has
     * @return bytes
     */
    public long bytes(long numel) {
        if (!type.isFourBit()) {
            return numel;
        }
        long blocks = (numel + blockSize - 1) / blockSize;
        long scales = doubleQuantization
                ? blocks + Float.BYTES * ((blocks + SCALES_A_BLOCK - 1) / SCALES_A_BLOCK)
                : Float.BYTES * blocks;
        return (numel + 1) / 2 + scales;
    }

    /** {@return what quantises the weights of a model while it is loaded} */
    public WeightCompression compression() {
        return new WeightCompression() {
            @Override
            public boolean applies(String name) {
                return covers(name);
            }

            @Override
            public CompressedWeight compress(Tensor weight) {
                return type.isFourBit()
                        ? FourBitWeight.quantize(weight, type, blockSize, doubleQuantization)
                        : EightBitWeight.quantize(weight);
            }
        };
    }
}
