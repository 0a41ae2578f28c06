package org.finetune4j.train.report;

import java.io.PrintStream;
import java.nio.charset.Charset;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressState;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.TrainingSummary;
import org.jspecify.annotations.Nullable;

/**
 * A progress bar that redraws itself on one line of a terminal, with time left, loss, learning rate and tokens a second.
 * Evaluations and checkpoints scroll away above it.
 */
public final class ProgressBarListener implements ProgressListener {

    private static final int REDRAW_MILLIS = 200;
    private static final int WIDEST_BAR = 40;
    private static final int NARROWEST_BAR = 8;

    private final PrintStream out;
    private final int width;
    private final char filled;
    private final char empty;

    private volatile String details = "";
    private @Nullable ProgressBar bar;
    private @Nullable TerminalLine line;
    private long startStep;

    /**
     * A bar as wide as the terminal.
     *
     * @param out a terminal
     */
    public ProgressBarListener(PrintStream out) {
        this(out, 0);
    }

    /**
     * A bar of a set width.
     *
     * @param out a terminal
     * @param width columns that the line may take; 0 for the terminal's
     */
    public ProgressBarListener(PrintStream out, int width) {
        this.out = out;
        this.width = width;
        boolean blocks = canPrintBlocks();
        filled = blocks ? '█' : '#';
        empty = blocks ? '░' : '.';
    }

    @Override
    public void onStart(TrainingPlan plan) {
        stop();
        startStep = plan.startStep();
        details = "";
        out.println(ProgressText.start(plan));
        TerminalLine terminalLine = new TerminalLine(out, width);
        line = terminalLine;
        bar = new ProgressBarBuilder()
                .setInitialMax(plan.totalSteps())
                .startsFrom(startStep, Duration.ZERO)
                .setUpdateIntervalMillis(REDRAW_MILLIS)
                .setConsumer(terminalLine)
                .setRenderer(this::render)
                .build();
    }

    @Override
    public void onStep(StepMetrics metrics) {
        if (bar != null) {
            details = "%s left  loss %s  lr %s  %s tok/s"
                    .formatted(
                            MetricFormat.duration(ProgressText.timeLeft(metrics, startStep)),
                            MetricFormat.decimal(metrics.loss()),
                            MetricFormat.learningRate(metrics.learningRate()),
                            MetricFormat.count(metrics.tokensPerSecond()));
            bar.stepTo(metrics.step());
        }
    }

    @Override
    public void onEvaluation(EvaluationMetrics metrics) {
        printAbove(ProgressText.evaluation(metrics));
    }

    @Override
    public void onCheckpoint(Path directory, long step) {
        printAbove(ProgressText.checkpoint(directory, step));
    }

    @Override
    public void onEnd(TrainingSummary summary) {
        stop();
        out.println(ProgressText.end(summary));
    }

    @Override
    public void onFailure(Throwable failure) {
        stop();
    }

    private void printAbove(String text) {
        if (line != null) {
            line.printAbove(text);
        }
    }

    private void stop() {
        if (bar != null && line != null) {
            bar.close();
            // A bar that ends before its thread first drew it is drawn once, but its line is left open.
            line.close();
            bar = null;
            line = null;
        }
    }

    /** {@code  34% ████░░░░ 340/1000  1:02 left  loss 0.5123  lr 1.98e-04  1,234 tok/s}; the bar takes what is left. */
    private String render(ProgressState state, int maxLength) {
        String percentage = String.format(Locale.ROOT, "%3d%% ", (int) (100 * state.getNormalizedProgress()));
        String numbers = " %s/%s  %s".formatted(state.getCurrent(), state.getMax(), details);
        int room = maxLength - percentage.length() - numbers.length();
        int length = Math.max(NARROWEST_BAR, Math.min(WIDEST_BAR, room));
        int done = (int) (length * state.getNormalizedProgress());
        return percentage
                + String.valueOf(filled).repeat(done)
                + String.valueOf(empty).repeat(length - done)
                + numbers;
    }

    private static boolean canPrintBlocks() {
        // What System.err encodes with; Java 17 has no method that tells.
        String encoding = System.getProperty("stderr.encoding", System.getProperty("sun.stderr.encoding"));
        Charset charset = encoding == null ? nativeCharset() : Charset.forName(encoding);
        return charset.newEncoder().canEncode('█');
    }

    private static Charset nativeCharset() {
        String encoding = System.getProperty("native.encoding");
        return encoding == null ? Charset.defaultCharset() : Charset.forName(encoding);
    }

    /** The line that is redrawn. The bar draws from a thread of its own, hence the lock. */
    private static final class TerminalLine implements ProgressBarConsumer {

        private final PrintStream out;
        private final ProgressBarConsumer terminal;
        private String shown = "";
        private boolean closed;

        TerminalLine(PrintStream out, int width) {
            this.out = out;
            this.terminal =
                    width > 0 ? new ConsoleProgressBarConsumer(out, width) : new ConsoleProgressBarConsumer(out);
        }

        @Override
        public int getMaxRenderedLength() {
            return terminal.getMaxRenderedLength();
        }

        @Override
        public synchronized void accept(String rendered) {
            int room = getMaxRenderedLength();
            String text = rendered.length() > room ? rendered.substring(0, room) : rendered;
            out.print('\r' + text + blanksAfter(text));
            out.flush();
            shown = text;
        }

        synchronized void printAbove(String text) {
            out.print('\r' + text + blanksAfter(text) + System.lineSeparator() + shown);
            out.flush();
        }

        @Override
        public synchronized void close() {
            if (closed) {
                return;
            }
            closed = true;
            out.println();
            out.flush();
        }

        /** Covers the rest of a longer text that is shown. */
        private String blanksAfter(String text) {
            return " ".repeat(Math.max(0, shown.length() - text.length()));
        }
    }
}
