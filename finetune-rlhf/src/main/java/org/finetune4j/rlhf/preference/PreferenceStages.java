package org.finetune4j.rlhf.preference;

import java.util.List;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.rlhf.preference.PairObjective.Likelihood;
import org.finetune4j.rlhf.preference.PairObjective.Term;
import org.finetune4j.rlhf.preference.loss.AotLoss;
import org.finetune4j.rlhf.preference.loss.ApoZeroUnpairedLoss;
import org.finetune4j.rlhf.preference.loss.KtoLoss;
import org.finetune4j.rlhf.preference.loss.OddsRatioLoss;
import org.finetune4j.rlhf.preference.loss.PairLoss;
import org.finetune4j.rlhf.preference.loss.PairLosses;
import org.finetune4j.rlhf.preference.loss.SimPoLoss;
import org.finetune4j.rlhf.preference.loss.UnpairedLoss;
import org.finetune4j.train.stage.StageProvider;

/** The stages of preferences as configurations name them, with TRL's settings and defaults. */
public final class PreferenceStages {

    private PreferenceStages() {}

    private static List<Term> only(PairLoss loss) {
        return List.of(new Term(loss, 1));
    }

    /** {@code stage: dpo}. */
    public static final class Dpo implements StageProvider {

        @Override
        public String name() {
            return "dpo";
        }

        @Override
        public PairStage create(Settings settings) {
            PreferenceSettings own = new PreferenceSettings(settings);
            List<Term> terms = own.terms(own.beta(0.1));
            Likelihood likelihood = new Likelihood(own.number("rpo_alpha", 0, 0, 1e6) + own.likelihood(), false);
            boolean referenced = !own.flag("reference_free", false);
            PairObjective objective = referenced
                    ? PairObjective.withReference(terms, likelihood)
                    : PairObjective.withoutReference(terms, likelihood);
            double tailWeight = own.number("ld_alpha", 1, 0, 1);
            if (own.flag("use_weighting", false)) {
                if (terms.stream().anyMatch(term -> term.loss() instanceof AotLoss)) {
                    throw settings.invalid(
                            "use_weighting", "false with loss_type aot, which has no single pairs to weigh");
                }
                objective = objective.weightedByLikeliness();
            }
            if (!referenced && own.flag("precompute_ref_log_probs", false)) {
                throw new UserErrorException(
                        settings.origin()
                                + ": 'precompute_ref_log_probs' changes nothing with reference_free: true: leave one of them out");
            }
            SampleLayout layout = own.layout(referenced);
            return new PairStage(name(), objective.withTailWeight(tailWeight), own.shown(), layout);
        }
    }

    /** {@code stage: orpo}. */
    public static final class Orpo implements StageProvider {

        @Override
        public String name() {
            return "orpo";
        }

        @Override
        public PairStage create(Settings settings) {
            PreferenceSettings own = new PreferenceSettings(settings);
            PairObjective objective =
                    PairObjective.withoutReference(only(new OddsRatioLoss(own.beta(0.1))), new Likelihood(1, true));
            SampleLayout layout = own.layout(false);
            return new PairStage(name(), objective, own.shown(), layout);
        }
    }

    /** {@code stage: simpo}. */
    public static final class SimPo implements StageProvider {

        @Override
        public String name() {
            return "simpo";
        }

        @Override
        public PairStage create(Settings settings) {
            PreferenceSettings own = new PreferenceSettings(settings);
            double beta = own.beta(2);
            SimPoLoss loss = new SimPoLoss(
                    beta, own.number("simpo_gamma", 1, -1e6, 1e6), own.number("label_smoothing", 0, 0, 0.999999));
            PairObjective objective = PairObjective.withoutReference(
                    only(loss), new Likelihood(own.number("cpo_alpha", 0, 0, 1e6), false));
            SampleLayout layout = own.layout(false);
            return new PairStage(name(), objective, own.shown(), layout);
        }
    }

    /** {@code stage: cpo}. */
    public static final class Cpo implements StageProvider {

        @Override
        public String name() {
            return "cpo";
        }

        @Override
        public PairStage create(Settings settings) {
            PreferenceSettings own = new PreferenceSettings(settings);
            double beta = own.beta(0.1);
            String type = settings.text("loss_type").orElse("sigmoid");
            double smoothing = own.number("label_smoothing", 0, 0, 0.999999);
            if (!PairLosses.withoutReference().contains(type)) {
                throw settings.invalid("loss_type", "sigmoid, hinge, ipo or simpo");
            }
            PairLoss loss =
                    PairLosses.withoutReference(type, beta, smoothing, () -> own.number("simpo_gamma", 0.5, -1e6, 1e6));
            own.shown().put("loss_type", type);
            PairObjective objective = PairObjective.withoutReference(
                    only(loss), new Likelihood(own.number("cpo_alpha", 1, 0, 1e6), false));
            SampleLayout layout = own.layout(false);
            return new PairStage(name(), objective, own.shown(), layout);
        }
    }

    /** {@code stage: kto}. */
    public static final class Kto implements StageProvider {

        @Override
        public String name() {
            return "kto";
        }

        @Override
        public UnpairedStage create(Settings settings) {
            PreferenceSettings own = new PreferenceSettings(settings);
            double beta = own.beta(0.1);
            double desirable = own.number("desirable_weight", 1, 0, 1e6);
            double undesirable = own.number("undesirable_weight", 1, 0, 1e6);
            String type = settings.text("loss_type").orElse("kto");
            UnpairedLoss loss =
                    switch (type) {
                        case "kto" -> new KtoLoss(beta, desirable, undesirable);
                        case "apo_zero_unpaired" -> new ApoZeroUnpairedLoss(beta, desirable, undesirable);
                        default -> throw settings.invalid("loss_type", "kto or apo_zero_unpaired");
                    };
            own.shown().put("loss_type", type);
            SampleLayout layout = own.layout(true);
            return new UnpairedStage(
                    name(),
                    UnpairedObjective.of(loss),
                    settings.integer("per_device_train_batch_size", 8, 1, 1 << 16),
                    own.shown(),
                    layout);
        }
    }
}
