package org.finetune4j.rlhf.preference.loss;

import java.util.List;
import java.util.function.DoubleSupplier;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** The losses of pairs by the names that TRL gives them ({@code loss_type}). */
public final class PairLosses {

    /** All names. */
    public static final List<String> NAMES = List.of(
            "sigmoid",
            "hinge",
            "ipo",
            "robust",
            "cdpo",
            "exo_pair",
            "nca_pair",
            "apo_zero",
            "apo_down",
            "bco_pair",
            "sppo_hard",
            "sigmoid_norm",
            "discopop",
            "aot",
            "aot_unpaired");

    /** Those that look at the difference of two answers alone, as other divergences need it. */
    private static final List<String> OF_DIFFERENCES =
            List.of("sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "cdpo", "discopop");

    private static final List<String> WITHOUT_REFERENCE = List.of("sigmoid", "hinge", "ipo", "simpo");

    private static final List<String> SMOOTHED = List.of("robust", "cdpo", "exo_pair", "aot", "aot_unpaired");

    private PairLosses() {}

    /**
     * The loss of this name. TRL's {@code sigmoid} does not look at {@code label_smoothing}; the loss that did in its older
     * versions is {@code cdpo} here.
     *
     * @param name TRL's, or {@code cdpo}
     * @param beta how much a log-ratio counts
     * @param labelSmoothing for those that know it
     * @return the loss
     * @throws UserErrorException when there is none of this name, or a setting is out of its range
     */
    public static PairLoss named(String name, double beta, double labelSmoothing) {
        return switch (name) {
            case "sigmoid" -> new SigmoidLoss(beta);
            case "hinge" -> new HingeLoss(beta);
            case "ipo" -> new IpoLoss(beta);
            case "robust" -> new RobustLoss(beta, labelSmoothing);
            case "cdpo" -> new ConservativeLoss(beta, labelSmoothing);
            case "exo_pair" -> new ExoLoss(beta, labelSmoothing);
            case "nca_pair" -> new NcaLoss(beta);
            case "apo_zero" -> new ApoZeroLoss(beta);
            case "apo_down" -> new ApoDownLoss(beta);
            case "bco_pair" -> new BcoLoss(beta);
            case "sppo_hard" -> new SppoLoss(beta);
            case "sigmoid_norm" -> new NormalisedSigmoidLoss(beta);
            case "discopop" -> new DiscopopLoss(beta, DiscopopLoss.DEFAULT_TAU);
            case "aot" -> new AotLoss(beta, labelSmoothing, true);
            case "aot_unpaired" -> new AotLoss(beta, labelSmoothing, false);
            default ->
                throw new UserErrorException("there is no loss_type '" + name + "'" + Suggestions.among(name, NAMES));
        };
    }

    /** {@return the losses that CPO (Xu et al. 2024) has} */
    public static List<String> withoutReference() {
        return WITHOUT_REFERENCE;
    }

    /**
     * CPO's loss of this name, which compares without a reference. Its {@code sigmoid} looks at {@code label_smoothing}.
     *
     * @param name one of {@link #withoutReference()}
     * @param beta how much a log-probability counts
     * @param labelSmoothing for those that know it
     * @param gamma the margin of {@code simpo}, asked for by that one only
     * @return the loss
     * @throws UserErrorException when there is none of this name, or a setting is out of its range
     */
    public static PairLoss withoutReference(String name, double beta, double labelSmoothing, DoubleSupplier gamma) {
        return switch (name) {
            case "sigmoid" -> new ConservativeLoss(beta, labelSmoothing);
            case "hinge" -> new HingeLoss(beta);
            case "ipo" -> new IpoLoss(beta, true);
            case "simpo" -> new SimPoLoss(beta, gamma.getAsDouble(), labelSmoothing);
            default ->
                throw new UserErrorException(
                        "there is no loss_type '" + name + "'" + Suggestions.among(name, WITHOUT_REFERENCE));
        };
    }

    /**
     * Whether a loss looks at the difference of two answers alone.
     *
     * @param name of a loss
     * @return whether {@link DivergenceLoss} means something with it
     */
    public static boolean isOfDifference(String name) {
        return OF_DIFFERENCES.contains(name);
    }

    /**
     * Whether a loss knows {@code label_smoothing}.
     *
     * @param name of a loss
     * @return whether the setting changes it
     */
    public static boolean isSmoothed(String name) {
        return SMOOTHED.contains(name);
    }
}
