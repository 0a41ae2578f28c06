package org.finetune4j.train.report;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.train.ListenerChain;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.arguments.StepInterval;
import org.finetune4j.train.gradient.Average;

/**
 * Tells other listeners of some steps only, as transformers' {@code logging_steps} does: the loss is then the mean over the
 * steps since the last one they were told of, as every further metric is, tokens and times are added up, and everything else is
 * the step's own.
 */
public final class LoggedSteps extends ListenerChain {

    private final StepInterval interval;
    private final boolean first;

    private long steps;
    private double losses;
    private long tokens;
    private long labelledTokens;
    private double seconds;
    private Duration waited = Duration.ZERO;
    private double lastEpoch;
    private final Map<String, Average> measured = new LinkedHashMap<>();

    /**
     * A listener in front of others.
     *
     * @param interval which steps they are told of
     * @param first whether they are told of the first step of this start as well
     * @param listeners who is told
     */
    public LoggedSteps(StepInterval interval, boolean first, List<? extends TrainingListener> listeners) {
        super(listeners);
        this.interval = interval;
        this.first = first;
    }

    @Override
    public void onStart(TrainingPlan plan) {
        forget();
        lastEpoch = -1;
        super.onStart(plan);
    }

    @Override
    public void onStep(StepMetrics metrics) {
        boolean firstOfStart = lastEpoch < 0;
        boolean epochEnds = (!firstOfStart && Math.floor(metrics.epoch()) > Math.floor(lastEpoch))
                || metrics.step() == metrics.totalSteps();
        lastEpoch = metrics.epoch();
        steps++;
        losses += metrics.loss();
        tokens += metrics.tokens();
        labelledTokens += metrics.labelledTokens();
        seconds += metrics.tokens() / metrics.tokensPerSecond();
        waited = waited.plus(metrics.dataWait());
        metrics.metrics().forEach((name, value) -> measured.merge(name, Average.of(value), Average::plus));
        if ((first && firstOfStart) || interval.isDue(metrics.step(), metrics.totalSteps(), epochEnds)) {
            super.onStep(new StepMetrics(
                    metrics.step(),
                    metrics.totalSteps(),
                    metrics.epoch(),
                    losses / steps,
                    metrics.learningRate(),
                    metrics.gradientNorm(),
                    tokens,
                    labelledTokens,
                    tokens / seconds,
                    metrics.elapsed(),
                    waited,
                    Average.means(measured)));
            forget();
        }
    }

    private void forget() {
        steps = 0;
        losses = 0;
        tokens = 0;
        labelledTokens = 0;
        seconds = 0;
        waited = Duration.ZERO;
        measured.clear();
    }
}
