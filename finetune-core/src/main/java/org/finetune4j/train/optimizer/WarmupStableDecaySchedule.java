package org.finetune4j.train.optimizer;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.DoubleUnaryOperator;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** Rises, stays at 1, and falls over the last steps of the run (Hu et al. 2024, MiniCPM). */
final class WarmupStableDecaySchedule implements LearningRateSchedule {

    /** How it rises or falls; rising, the curve is mirrored. */
    enum Curve {
        LINEAR("linear", progress -> 1 - progress),
        COSINE("cosine", progress -> 0.5 * (1 + Math.cos(Math.PI * progress))),
        ONE_MINUS_SQRT("1-sqrt", progress -> 1 - Math.sqrt(progress));

        private final String label;
        private final DoubleUnaryOperator falling;

        Curve(String label, DoubleUnaryOperator falling) {
            this.label = label;
            this.falling = falling;
        }

        static Curve named(String key, String name) {
            List<String> labels =
                    Arrays.stream(values()).map(curve -> curve.label).toList();
            int index = labels.indexOf(name.toLowerCase(Locale.ROOT));
            if (index < 0) {
                throw new UserErrorException(
                        "lr_scheduler_kwargs: '" + key + "' is " + name + Suggestions.didYouMean(name, labels));
            }
            return values()[index];
        }
    }

    private final long decaySteps;
    private final double minimum;
    private final Curve rise;
    private final Curve fall;

    /** @param decaySteps 0 for a tenth of the run */
    WarmupStableDecaySchedule(long decaySteps, double minimum, Curve rise, Curve fall) {
        this.decaySteps = decaySteps;
        this.minimum = minimum;
        this.rise = rise;
        this.fall = fall;
    }

    @Override
    public String schedulerType() {
        return "warmup_stable_decay";
    }

    @Override
    public double factor(long step, long warmupSteps, long totalSteps) {
        long decay = decaySteps > 0 ? decaySteps : Math.max(1, totalSteps / 10);
        long decayStart = totalSteps - decay; // before the warm-up ends where both are longer than the run
        if (step < warmupSteps) {
            return scaled(rising((double) step / warmupSteps));
        }
        if (step < decayStart) {
            return 1;
        }
        double progress = (double) (step - decayStart) / decay;
        return progress >= 1 ? minimum : scaled(fall.falling.applyAsDouble(progress));
    }

    private double rising(double progress) {
        return rise.falling.applyAsDouble(1 - progress);
    }

    private double scaled(double factor) {
        return Math.max(0, factor * (1 - minimum) + minimum);
    }
}
