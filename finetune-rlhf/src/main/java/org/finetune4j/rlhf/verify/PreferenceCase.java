package org.finetune4j.rlhf.verify;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.rlhf.preference.PairObjective;
import org.finetune4j.rlhf.preference.PairObjective.Likelihood;
import org.finetune4j.rlhf.preference.PairObjective.Term;
import org.finetune4j.rlhf.preference.UnpairedObjective;
import org.finetune4j.rlhf.preference.loss.ApoZeroUnpairedLoss;
import org.finetune4j.rlhf.preference.loss.DiscopopLoss;
import org.finetune4j.rlhf.preference.loss.Divergence;
import org.finetune4j.rlhf.preference.loss.DivergenceLoss;
import org.finetune4j.rlhf.preference.loss.KtoLoss;
import org.finetune4j.rlhf.preference.loss.OddsRatioLoss;
import org.finetune4j.rlhf.preference.loss.PairLoss;
import org.finetune4j.rlhf.preference.loss.PairLosses;
import org.finetune4j.rlhf.preference.loss.SimPoLoss;

/**
 * One recorded loss of preferences: what it is, from its name and settings.
 *
 * @param name in {@code golden.json}, which begins with the method's
 * @param settings what {@code golden.json} says of it
 */
record PreferenceCase(String name, JsonNode settings) {

    static final Set<String> METHODS = Set.of("dpo", "cdpo", "orpo", "cpo", "simpo", "kto");

    private static final String APO_ZERO_UNPAIRED = "apo_zero_unpaired";

    private static final String TYPE = "trl_loss_type";

    private static final Set<String> DIRECT = Set.of(
            "label_smoothing",
            TYPE,
            "loss_weights",
            "rpo_alpha",
            "ld_alpha",
            "use_weighting",
            "f_divergence_type",
            "f_alpha_divergence_coef",
            "discopop_tau",
            "reference_free");

    private static final Set<String> EVERY = Set.of("loss", "metrics", "beta");

    /** What a case of each method may say besides; anything else would be a setting that nobody follows. */
    private static final Map<String, Set<String>> KNOWN = Map.of(
            "dpo", DIRECT,
            "cdpo", DIRECT,
            "orpo", Set.of(),
            "simpo", Set.of("label_smoothing", TYPE, "simpo_gamma", "cpo_alpha"),
            "cpo", Set.of("label_smoothing", TYPE, "simpo_gamma", "cpo_alpha"),
            "kto", Set.of(TYPE, "desirable_weight", "undesirable_weight", "kl", "kl_rows"));

    static String method(String name) {
        int end = name.indexOf('_');
        return end < 0 ? name : name.substring(0, end);
    }

    /** @throws UserErrorException for a setting that this class does not follow */
    void requireKnownSettings() {
        Set<String> own = KNOWN.getOrDefault(method(name), DIRECT);
        settings.fieldNames().forEachRemaining(key -> {
            boolean isNeutral = settings.get(key).isNull()
                    || (key.equals("alpha") && settings.get(key).asDouble(1) == 0);
            if (!EVERY.contains(key) && !own.contains(key) && !isNeutral) {
                throw new UserErrorException("the setting '" + key + "' is not implemented");
            }
        });
    }

    boolean isUnpaired() {
        return method(name).equals("kto");
    }

    double beta() {
        return number("beta");
    }

    private double number(String key) {
        JsonNode value = settings.path(key);
        if (!value.isNumber()) {
            throw new UserErrorException("the case has no number '" + key + "'");
        }
        return value.asDouble();
    }

    private double number(String key, double otherwise) {
        return settings.hasNonNull(key) ? number(key) : otherwise;
    }

    private boolean flag(String key) {
        JsonNode value = settings.path(key);
        if (settings.hasNonNull(key) && !value.isBoolean()) {
            throw new UserErrorException("'" + key + "' is " + value + ", expected true or false");
        }
        return value.asBoolean();
    }

    private List<String> lossTypes(String otherwise) {
        JsonNode recorded = settings.path(TYPE);
        List<String> types = new ArrayList<>();
        if (recorded.isArray()) {
            recorded.forEach(type -> types.add(type.asText()));
        } else if (settings.hasNonNull(TYPE) && !recorded.isTextual()) {
            throw new UserErrorException("'trl_loss_type' is " + recorded + ", expected a name");
        } else {
            types.add(recorded.asText(otherwise));
        }
        return types;
    }

    /** The loss of a method that has one. */
    private String lossType(String otherwise) {
        List<String> types = lossTypes(otherwise);
        if (types.size() != 1) {
            throw new UserErrorException("'" + TYPE + "' is " + settings.path(TYPE) + ", expected one name");
        }
        return types.get(0);
    }

    /** @throws UserErrorException when the case is none that is known */
    PairObjective paired() {
        double smoothing = number("label_smoothing", 0);
        return switch (method(name)) {
            case "dpo", "cdpo" -> direct(smoothing);
            case "orpo" -> PairObjective.withoutReference(terms(new OddsRatioLoss(beta())), new Likelihood(1, true));
            case "simpo" -> {
                if (!lossType("simpo").equals("simpo")) {
                    throw new UserErrorException("this loss is not implemented");
                }
                yield PairObjective.withoutReference(
                        terms(new SimPoLoss(beta(), number("simpo_gamma"), smoothing)),
                        new Likelihood(number("cpo_alpha"), false));
            }
            case "cpo" ->
                PairObjective.withoutReference(
                        terms(PairLosses.withoutReference(
                                lossType("sigmoid"), beta(), smoothing, () -> number("simpo_gamma"))),
                        new Likelihood(number("cpo_alpha"), false));
            default -> throw new UserErrorException("this loss is not implemented");
        };
    }

    private PairObjective direct(double smoothing) {
        List<String> types = lossTypes("formula");
        requireWeights(types.size());
        List<Term> terms = new ArrayList<>();
        double likelihood = number("rpo_alpha", 0);
        for (int i = 0; i < types.size(); i++) {
            JsonNode weights = settings.path("loss_weights");
            double weight = weights.isArray() ? weights.path(i).asDouble() : 1;
            if (types.get(i).equals("sft")) {
                likelihood += weight;
            } else {
                terms.add(new Term(diverging(loss(lossName(types.get(i)), smoothing)), weight));
            }
        }
        Likelihood chosen = new Likelihood(likelihood, false);
        PairObjective objective = flag("reference_free")
                ? PairObjective.withoutReference(terms, chosen)
                : PairObjective.withReference(terms, chosen);
        objective = objective.withTailWeight(number("ld_alpha", 1));
        return flag("use_weighting") ? objective.weightedByLikeliness() : objective;
    }

    /** Several losses have a weight each, or none has one. */
    private void requireWeights(int losses) {
        JsonNode weights = settings.path("loss_weights");
        boolean numbers = weights.isArray() && weights.size() == losses;
        for (JsonNode weight : weights) {
            numbers &= weight.isNumber();
        }
        if (settings.hasNonNull("loss_weights") && !numbers) {
            throw new UserErrorException("'loss_weights' is " + weights + ", expected " + losses + " numbers");
        }
    }

    private PairLoss loss(String type, double smoothing) {
        return type.equals("discopop") && settings.has("discopop_tau")
                ? new DiscopopLoss(beta(), number("discopop_tau"))
                : PairLosses.named(type, beta(), smoothing);
    }

    private PairLoss diverging(PairLoss loss) {
        String type = settings.path("f_divergence_type").asText("reverse_kl");
        return switch (type) {
            case "reverse_kl" -> loss;
            case "forward_kl" -> new DivergenceLoss(loss, new Divergence.ForwardKl());
            case "js_divergence" -> new DivergenceLoss(loss, new Divergence.JensenShannon());
            case "alpha_divergence" ->
                new DivergenceLoss(loss, new Divergence.Alpha(number("f_alpha_divergence_coef")));
            default -> throw new UserErrorException("'f_divergence_type' " + type + " is not implemented");
        };
    }

    /** What TRL has no name for any more is called by the case. */
    private String lossName(String type) {
        if (!type.equals("formula")) {
            return type;
        }
        if (method(name).equals("cdpo")) {
            return "cdpo";
        }
        throw new UserErrorException("this loss is not implemented");
    }

    private static List<Term> terms(PairLoss loss) {
        return List.of(new Term(loss, 1));
    }

    /** @throws UserErrorException when the case is none that is known */
    UnpairedObjective unpaired() {
        String type = lossType(name.contains(APO_ZERO_UNPAIRED) ? APO_ZERO_UNPAIRED : "kto");
        double desirable = number("desirable_weight", 1);
        double undesirable = number("undesirable_weight", 1);
        return switch (type) {
            case "kto" -> UnpairedObjective.of(new KtoLoss(beta(), desirable, undesirable));
            case APO_ZERO_UNPAIRED -> UnpairedObjective.of(new ApoZeroUnpairedLoss(beta(), desirable, undesirable));
            default -> throw new UserErrorException("this loss is not implemented");
        };
    }
}
