package org.finetune4j.rlhf.preference;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.rlhf.preference.PairObjective.Term;
import org.finetune4j.rlhf.preference.loss.DiscopopLoss;
import org.finetune4j.rlhf.preference.loss.Divergence;
import org.finetune4j.rlhf.preference.loss.DivergenceLoss;
import org.finetune4j.rlhf.preference.loss.PairLoss;
import org.finetune4j.rlhf.preference.loss.PairLosses;
import org.jspecify.annotations.Nullable;

/** Reads what the stages of preferences share, under TRL's names. */
final class PreferenceSettings {

    private static final String SFT = "sft";

    private final Settings settings;
    private final Map<String, Object> shown = new LinkedHashMap<>();

    PreferenceSettings(Settings settings) {
        this.settings = settings;
    }

    /** What was read, for reports. */
    Map<String, Object> shown() {
        return shown;
    }

    double beta(double otherwise) {
        double beta = settings.number("beta", otherwise, Double.MIN_VALUE, 1e6);
        shown.put("beta", beta);
        return beta;
    }

    double number(String key, double otherwise, double minimum, double maximum) {
        double value = settings.number(key, otherwise, minimum, maximum);
        if (value != otherwise) {
            shown.put(key, value);
        }
        return value;
    }

    boolean flag(String key, boolean otherwise) {
        boolean value = settings.flag(key, otherwise);
        if (value != otherwise) {
            shown.put(key, value);
        }
        return value;
    }

    /** What TRL's loss {@code sft} among others weighs: the likelihood of the chosen answers. */
    double likelihood() {
        List<String> names = names();
        List<Double> weights = weights(names.size());
        double sum = 0;
        for (int i = 0; i < names.size(); i++) {
            sum += names.get(i).equals(SFT) ? weights.get(i) : 0;
        }
        return sum;
    }

    private List<String> names() {
        List<String> types = settings.texts("loss_type");
        return types.isEmpty() ? List.of("sigmoid") : types;
    }

    /** One loss, or several with weights. */
    List<Term> terms(double beta) {
        List<String> names = names();
        if (names.stream().allMatch(SFT::equals)) {
            throw new UserErrorException(settings.origin()
                    + ": 'loss_type' sft goes with a loss that compares answers; alone it is stage: sft");
        }
        double smoothing = number("label_smoothing", 0, 0, 0.999999);
        if (smoothing > 0 && names.stream().noneMatch(PairLosses::isSmoothed)) {
            throw new UserErrorException(settings.origin() + ": 'label_smoothing' changes nothing with loss_type "
                    + String.join(", ", names) + ": use cdpo or robust, or leave it out");
        }
        List<Double> weights = weights(names.size());
        Divergence divergence = divergence(names);
        List<Term> terms = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            if (names.get(i).equals(SFT)) {
                continue;
            }
            PairLoss loss = naming(names.get(i), beta, smoothing);
            terms.add(new Term(divergence == null ? loss : new DivergenceLoss(loss, divergence), weights.get(i)));
        }
        shown.put("loss_type", String.join(" + ", names));
        return terms;
    }

    /** TRL's {@code f_divergence_type}; null for the usual one. */
    private @Nullable Divergence divergence(List<String> losses) {
        String type = settings.text("f_divergence_type").orElse("reverse_kl");
        Divergence divergence =
                switch (type) {
                    case "reverse_kl" -> null;
                    case "forward_kl" -> new Divergence.ForwardKl();
                    case "js_divergence" -> new Divergence.JensenShannon();
                    case "alpha_divergence" -> new Divergence.Alpha(number("f_alpha_divergence_coef", 0.5, -1e3, 1e3));
                    default ->
                        throw settings.invalid(
                                "f_divergence_type", "reverse_kl, forward_kl, js_divergence or alpha_divergence");
                };
        if (divergence == null) {
            return null;
        }
        shown.put("f_divergence_type", type);
        for (String name : losses) {
            if (!name.equals(SFT) && !PairLosses.isOfDifference(name)) {
                throw new UserErrorException(settings.origin() + ": 'f_divergence_type' " + type + " has no loss_type "
                        + name + ": it needs a loss of the difference of both answers, such as sigmoid");
            }
        }
        return divergence;
    }

    private PairLoss naming(String name, double beta, double smoothing) {
        try {
            if (name.equals("discopop")) {
                return new DiscopopLoss(beta, number("discopop_tau", DiscopopLoss.DEFAULT_TAU, 0, 1));
            }
            return PairLosses.named(name, beta, smoothing);
        } catch (UserErrorException e) {
            throw new UserErrorException(settings.origin() + ": " + e.getMessage(), e);
        }
    }

    private List<Double> weights(int count) {
        Object value = settings.value("loss_weights").orElse(null);
        List<Double> weights = new ArrayList<>();
        if (value instanceof List<?> list) {
            list.forEach(weight -> weights.add(weight instanceof Number number ? number.doubleValue() : Double.NaN));
        } else if (value == null) {
            for (int i = 0; i < count; i++) {
                weights.add(1.0);
            }
        }
        if (weights.size() != count || weights.stream().anyMatch(weight -> !Double.isFinite(weight))) {
            throw settings.invalid("loss_weights", count + " numbers, one for each loss_type");
        }
        if (value != null) {
            shown.put("loss_weights", weights);
        }
        return weights;
    }

    SampleLayout layout(boolean referenced) {
        boolean precompute = referenced && flag("precompute_ref_log_probs", false);
        Path output = settings.has("output_dir") ? settings.path("output_dir") : null;
        return new SampleLayout(
                flag("share_prompts", true),
                flag("padding_free", true),
                settings.integer("max_prompt_length", 0, 0),
                precompute,
                output);
    }
}
