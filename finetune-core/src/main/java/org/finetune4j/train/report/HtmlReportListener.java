package org.finetune4j.train.report;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.MemoryComparison;
import org.finetune4j.train.SampleComparison;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.TrainingSummary;
import org.finetune4j.train.health.ExpertLoad;

/**
 * Keeps an {@link HtmlReport} of the run up to date: it is written at every evaluation and checkpoint, so that a run
 * that is killed has one too, and at the end. The history comes from a {@link MetricsLog}, which a resumed run
 * continues.
 */
public final class HtmlReportListener implements TrainingListener {

    private final Path report;
    private final MetricsLog log;
    private TrainingHistory history = new TrainingHistory();

    /**
     * A report with its metrics log, {@code metrics.jsonl}, beside it.
     *
     * @param report the HTML file, replaced as the run goes on
     */
    public HtmlReportListener(Path report) {
        this.report = report;
        this.log = new MetricsLog(report.resolveSibling(MetricsLog.NAME));
    }

    @Override
    public void onStart(TrainingPlan plan) {
        List<String> early = new ArrayList<>(history.plan() == null ? history.warnings() : List.of());
        history = new TrainingHistory();
        try {
            MetricsLog.truncate(log.file(), plan.startStep());
            MetricsLog.replay(log.file(), history);
        } catch (UserErrorException e) {
            // Even without its past the run gets a report.
            history = new TrainingHistory();
            early.add(
                    e.getMessage() + "; it is " + MetricsLog.setAside(log.file()) + " now, and this run's begins anew");
        }
        history.onStart(plan);
        early.forEach(history::onWarning);
        log.onStart(plan);
    }

    @Override
    public void onWarning(String message) {
        history.onWarning(message);
        log.onWarning(message);
    }

    @Override
    public void onStep(StepMetrics metrics) {
        history.onStep(metrics);
        log.onStep(metrics);
    }

    @Override
    public void onEvaluation(EvaluationMetrics metrics) {
        history.onEvaluation(metrics);
        log.onEvaluation(metrics);
        HtmlReport.write(report, history);
    }

    @Override
    public void onExpertLoad(ExpertLoad load) {
        history.onExpertLoad(load);
        log.onExpertLoad(load);
    }

    @Override
    public void onMemory(MemoryComparison comparison) {
        log.onMemory(comparison);
    }

    @Override
    public void onCheckpoint(Path directory, long step) {
        history.onCheckpoint(directory, step);
        log.onCheckpoint(directory, step);
        HtmlReport.write(report, history);
    }

    @Override
    public void onSamples(List<SampleComparison> samples) {
        history.onSamples(samples);
        log.onSamples(samples);
        HtmlReport.write(report, history);
    }

    @Override
    public void onEnd(TrainingSummary summary) {
        history.onEnd(summary);
        boolean unchanged = log.isUnchanged();
        log.onEnd(summary);
        if (!unchanged) {
            HtmlReport.write(report, history);
        }
    }

    @Override
    public void onFailure(Throwable failure) {
        history.onFailure(failure);
        log.onFailure(failure);
        HtmlReport.write(report, history);
    }
}
