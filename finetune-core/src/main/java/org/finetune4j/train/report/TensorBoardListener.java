package org.finetune4j.train.report;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.TrainingSummary;
import org.finetune4j.train.health.TrainingStatistics;
import org.jspecify.annotations.Nullable;

/**
 * Writes the run to TensorBoard event files: {@code train/loss}, {@code train/learning_rate}, {@code train/grad_norm},
 * {@code train/tokens_per_second}, {@code train/epoch} and what a training measures besides at each step, {@code eval/loss}, {@code eval/perplexity} and,
 * where measured, {@code eval/exact_match} at each evaluation, and the configuration as a text. A resumed run goes on
 * in a new file of the same directory, and what was logged after the point of resumption disappears. A file is made when there is
 * something to write: a run that was complete already leaves none.
 */
public final class TensorBoardListener implements TrainingListener {

    private final Path directory;
    private @Nullable TrainingPlan plan;
    private @Nullable TensorBoardWriter writer;

    /**
     * Writes event files for TensorBoard.
     *
     * @param directory where the event files go; one run each
     */
    public TensorBoardListener(Path directory) {
        this.directory = directory;
    }

    @Override
    public void onStart(TrainingPlan newPlan) {
        close();
        plan = newPlan;
        if (newPlan.startStep() == 0) {
            writer();
        }
    }

    private @Nullable TensorBoardWriter writer() {
        TrainingPlan run = plan;
        if (writer == null && run != null) {
            TensorBoardWriter opened = TensorBoardWriter.open(directory);
            writer = opened;
            // A new run in a used directory replaces all of the old one; a resumed run keeps its steps so far.
            opened.sessionStart(run.startStep() == 0 ? 0 : run.startStep() + 1);
            opened.text(run.startStep(), "configuration", configurationTable(run));
        }
        return writer;
    }

    @Override
    public void onStep(StepMetrics metrics) {
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("train/loss", metrics.loss());
        values.put("train/learning_rate", metrics.learningRate());
        values.put("train/grad_norm", metrics.gradientNorm());
        values.put("train/tokens_per_second", metrics.tokensPerSecond());
        values.put("train/epoch", metrics.epoch());
        metrics.metrics().forEach((name, value) -> values.put("train/" + name, value));
        scalars(metrics.step(), values);
    }

    @Override
    public void onEvaluation(EvaluationMetrics metrics) {
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("eval/loss", metrics.loss());
        if (metrics.isOfLanguage()) {
            values.put("eval/perplexity", metrics.perplexity());
        }
        Double exactMatch = metrics.exactMatch();
        if (exactMatch != null) {
            values.put("eval/exact_match", exactMatch);
        }
        metrics.scores().forEach((name, score) -> values.put("eval/" + name, score));
        scalars(metrics.step(), values);
    }

    @Override
    public void onStatistics(TrainingStatistics statistics) {
        Map<String, Double> values = new LinkedHashMap<>();
        put(values, "gradients/", statistics.gradients());
        put(values, "activations/", statistics.activations());
        scalars(statistics.step(), values);
    }

    private static void put(Map<String, Double> values, String prefix, Map<String, TrainingStatistics.Size> sizes) {
        sizes.forEach((name, size) -> {
            values.put(prefix + name + "/rms", size.rootMeanSquare());
            values.put(prefix + name + "/max", size.largest());
        });
    }

    @Override
    public void onEnd(TrainingSummary summary) {
        close();
    }

    @Override
    public void onFailure(Throwable failure) {
        close();
    }

    private void scalars(long step, Map<String, Double> values) {
        TensorBoardWriter opened = writer();
        if (opened != null) {
            opened.scalars(step, values);
        }
    }

    private void close() {
        if (writer != null) {
            writer.close();
            writer = null;
        }
        plan = null;
    }

    private static String configurationTable(TrainingPlan plan) {
        StringBuilder table = new StringBuilder("| key | value |\n| --- | --- |\n");
        ConfigurationText.flatten(plan.configuration()).forEach((key, value) -> table.append("| ")
                .append(cell(key))
                .append(" | ")
                .append(cell(value))
                .append(" |\n"));
        return table.toString();
    }

    private static String cell(String text) {
        return text.replace("\\", "\\\\").replace("|", "\\|").replaceAll("\\R", " ");
    }
}
