package org.finetune4j.train;

import java.nio.file.Path;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.health.ExpertLoad;
import org.finetune4j.train.health.TrainingStatistics;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Passes every event on to several listeners, in their order. A listener that throws does not stop training nor the
 * listeners after it: its first failure is logged, later ones are not, and it goes on getting events, since what failed
 * (a full disk, a viewer that held the file) may pass. An {@link Error} is passed on to the caller. A failure before the start is
 * not passed on: that run was refused, and what listeners wrote of an earlier one stays.
 */
public class ListenerChain implements TrainingListener {

    private static final Logger LOG = LoggerFactory.getLogger(ListenerChain.class);

    private final List<TrainingListener> listeners;
    private final Set<TrainingListener> failed = Collections.newSetFromMap(new IdentityHashMap<>());
    private boolean started;

    /**
     * Listeners as one.
     *
     * @param listeners told in this order
     */
    public ListenerChain(List<? extends TrainingListener> listeners) {
        this.listeners = List.copyOf(listeners);
    }

    /**
     * {@return listeners as one}
     *
     * @param listeners told in this order
     */
    public static ListenerChain of(TrainingListener... listeners) {
        return new ListenerChain(List.of(listeners));
    }

    @Override
    public void onWarning(String message) {
        tellAll(listener -> listener.onWarning(message));
    }

    @Override
    public void onStart(TrainingPlan plan) {
        started = true;
        tellAll(listener -> listener.onStart(plan));
    }

    @Override
    public void onStep(StepMetrics metrics) {
        tellAll(listener -> listener.onStep(metrics));
    }

    @Override
    public void onStatistics(TrainingStatistics statistics) {
        tellAll(listener -> listener.onStatistics(statistics));
    }

    @Override
    public void onEvaluation(EvaluationMetrics metrics) {
        tellAll(listener -> listener.onEvaluation(metrics));
    }

    @Override
    public void onExpertLoad(ExpertLoad load) {
        tellAll(listener -> listener.onExpertLoad(load));
    }

    @Override
    public void onMemory(MemoryComparison comparison) {
        tellAll(listener -> listener.onMemory(comparison));
    }

    @Override
    public void onCheckpoint(Path directory, long step) {
        tellAll(listener -> listener.onCheckpoint(directory, step));
    }

    @Override
    public void onSamples(List<SampleComparison> samples) {
        List<SampleComparison> copy = List.copyOf(samples);
        tellAll(listener -> listener.onSamples(copy));
    }

    @Override
    public void onEnd(TrainingSummary summary) {
        tellAll(listener -> listener.onEnd(summary));
    }

    @Override
    public void onFailure(Throwable failure) {
        if (started) {
            tellAll(listener -> listener.onFailure(failure));
        }
    }

    private void tellAll(Consumer<TrainingListener> event) {
        for (TrainingListener listener : listeners) {
            try {
                event.accept(listener);
            } catch (Exception e) { // checked ones, too, which other languages throw as they like
                if (failed.add(listener)) {
                    boolean saysAll = e instanceof UserErrorException;
                    LOG.warn(
                            "{} failed; training goes on and further failures of it are not logged{}",
                            listener.getClass().getName(),
                            saysAll ? ": " + e.getMessage() : "",
                            saysAll ? null : e);
                }
            }
        }
    }
}
