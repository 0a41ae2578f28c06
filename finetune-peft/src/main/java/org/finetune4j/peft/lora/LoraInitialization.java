package org.finetune4j.peft.lora;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.Tensor;

/** What the two matrices of LoRA start from. */
public enum LoraInitialization {
    /** A uniform within 1 / sqrt(in), B zero: the adapter changes nothing at first. */
    KAIMING("true", true),
    /** A normal with the deviation 1 / rank, B zero. */
    GAUSSIAN("gaussian", "gaussian"),
    /** A and B both random: the adapter changes the model from the start, which is useful in tests only. */
    RANDOM("false", false),
    /** The weight's largest singular vectors; the base keeps the rest (Meng et al. 2024). */
    PISSA("pissa", "pissa"),
    /** The weight's first columns of a QR decomposition; the base keeps the rest (Büyükakyüz 2024). */
    OLORA("olora", "olora"),
    /** The largest singular vectors of what quantising the base lost (Li et al. 2023), see {@link LoftQ}. */
    LOFTQ("loftq", "loftq"),
    /** A spans what the layer's inputs vary in most on the training data, B zero (Paischer et al. 2024). */
    EVA("eva", "eva");

    private final String name;
    private final Object peftValue;

    LoraInitialization(String name, Object peftValue) {
        this.name = name;
        this.peftValue = peftValue;
    }

    /** A and B: [rank, in] and [out, rank]. */
    record Matrices(Tensor loraA, Tensor loraB) {}

    /** What PEFT's {@code init_lora_weights} is for this. */
    Object peftValue() {
        return peftValue;
    }

    /** Whether the matrices are drawn, whatever the weight and the data. */
    boolean startsAlone() {
        return this == KAIMING || this == GAUSSIAN || this == RANDOM;
    }

    /** {@return whether A and B take a part of the base's weight, which keeps the residual} */
    public boolean takesFromBase() {
        return this == PISSA || this == OLORA;
    }

    /**
     * Reads {@code init_lora_weights}.
     *
     * @param fromFile whether the matrices are in a file beside the settings: a start that leaves the base alone does not
     *     matter then, even one that is not implemented
     */
    static LoraInitialization from(Settings settings, boolean fromFile) {
        String text = settings.text("init_lora_weights").orElse("true").toLowerCase(Locale.ROOT);
        if (fromFile && text.equals("orthogonal")) {
            return KAIMING;
        }
        if (fromFile && text.equals(LOFTQ.name)) {
            throw new UserErrorException(settings.origin() + ": 'init_lora_weights': 'loftq' quantised a base for this"
                    + " adapter alone: save the adapter with init_lora_weights true beside that base");
        }
        List<String> names = Arrays.stream(values()).map(value -> value.name).toList();
        return Arrays.stream(values())
                .filter(value -> value.name.equals(text))
                .findFirst()
                .orElseThrow(() -> new UserErrorException(settings.origin() + ": 'init_lora_weights': '" + text
                        + "' is not implemented" + Suggestions.among(text, names)));
    }

    /** Random or zero matrices, for an initialization that does not look at the base. */
    Matrices drawn(Device device, long rank, long in, long out) {
        return switch (this) {
            case GAUSSIAN ->
                new Matrices(
                        InitialValues.normal(device, 1.0 / rank, rank, in), InitialValues.zeros(device, out, rank));
            case RANDOM ->
                new Matrices(
                        InitialValues.kaimingUniform(device, rank, in),
                        InitialValues.kaimingUniform(device, out, rank));
            default ->
                new Matrices(InitialValues.kaimingUniform(device, rank, in), InitialValues.zeros(device, out, rank));
        };
    }

    /** Matrices without values, which come from a file. */
    static Matrices blank(Device device, long rank, long in, long out) {
        return new Matrices(InitialValues.blank(device, rank, in), InitialValues.blank(device, out, rank));
    }

    /** @throws UserErrorException for a start that quantises the weight, or looks at its inputs, of which a rank has some */
    void requireForSlices(String path) {
        if (!startsAlone() && !takesFromBase()) {
            throw new UserErrorException("init_lora_weights " + name + " is not implemented on " + path
                    + ", of which every rank has a slice: tensor_parallel_size 1, or init_lora_weights true");
        }
    }

    /**
     * Matrices taken from the base.
     *
     * @param weight [out, in]
     * @param scale what their product is multiplied by
     * @throws UserErrorException when the weight has not as many directions
     */
    Matrices taken(Tensor weight, int rank, double scale, String path) {
        long directions = Math.min(weight.size(0), weight.size(1));
        if (rank > directions) {
            throw new UserErrorException("init_lora_weights " + name + ": rank " + rank + " is more than the "
                    + directions + " that " + path + " has");
        }
        if (this == OLORA) {
            LinearAlgebra.Qr qr = LinearAlgebra.qr(weight);
            return new Matrices(qr.r().narrow(0, 0, rank), qr.q().narrow(1, 0, rank));
        }
        LinearAlgebra.Svd svd = LinearAlgebra.svd(weight);
        Tensor roots = svd.s().narrow(0, 0, rank).div(scale).sqrt(); // [rank]
        Tensor loraA = svd.vh().narrow(0, 0, rank).mul(roots.unsqueeze(1)); // [rank, in]
        Tensor loraB = svd.u().narrow(1, 0, rank).mul(roots); // [out, rank]
        return new Matrices(loraA, loraB);
    }
}
