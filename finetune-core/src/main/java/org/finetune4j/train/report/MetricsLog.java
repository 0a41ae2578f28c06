package org.finetune4j.train.report;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.MemoryComparison;
import org.finetune4j.train.SampleComparison;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.TrainingSummary;
import org.finetune4j.train.health.ExpertLoad;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the history of a run as JSON lines ({@code metrics.jsonl}): one object an event, with {@code event} (start,
 * warning, step, evaluation, expert_load, memory, checkpoint, samples, end, failure) and {@code step} first. Numbers that JSON cannot hold are the
 * strings {@code "NaN"}, {@code "Infinity"} and {@code "-Infinity"}.
 *
 * <p>Every event is appended in one write, so a kill can leave no more than a last line without its line end, which
 * readers skip. When a run starts, what the file holds for steps after {@link TrainingPlan#startStep()} is dropped; a
 * run that starts at 0 begins a new file. A run that is resumed when it is complete adds nothing.
 */
public final class MetricsLog implements TrainingListener {

    /** What the file is called beside a report. */
    public static final String NAME = "metrics.jsonl";

    private final Path file;
    private @Nullable OutputStream out;
    private @Nullable MetricsEvent start;
    private final List<String> earlyWarnings = new ArrayList<>();
    private long lastStep;

    /**
     * A log in a file, which is made when a run starts.
     *
     * @param file JSON lines, one event each
     */
    public MetricsLog(Path file) {
        this.file = Objects.requireNonNull(file, "file");
    }

    /** {@return the file} */
    public Path file() {
        return file;
    }

    /**
     * Sends the events of a log to {@code listener}, in order. A missing file has no events.
     *
     * @param file JSON lines, one event each
     * @param listener is told all events
     * @throws UserErrorException when a line is not an event, with its number
     */
    public static void replay(Path file, TrainingListener listener) {
        if (Files.exists(file)) {
            readLines(file, (number, line) -> parse(file, number, line).tell(listener));
        }
    }

    /**
     * {@return the history that a log holds; see {@link #replay}}
     *
     * @param file JSON lines, one event each
     */
    public static TrainingHistory read(Path file) {
        TrainingHistory history = new TrainingHistory();
        replay(file, history);
        return history;
    }

    /**
     * Drops all events after {@code lastStep}; the file is replaced as a whole. With 0, a start from scratch, nothing
     * is kept. A missing file is left missing, and one that holds nothing to drop as it is.
     *
     * @param file the log
     * @param lastStep the last step to keep
     * @throws UserErrorException when a line is not an event, with its number, or the file cannot be written
     */
    public static void truncate(Path file, long lastStep) {
        if (!Files.exists(file)) {
            return;
        }
        boolean[] drops = {!endsCompletely(file)};
        readLines(file, (number, line) -> drops[0] |= !isKept(file, number, line, lastStep));
        if (drops[0]) {
            AtomicFiles.write(file, partial -> {
                try (BufferedWriter writer = Files.newBufferedWriter(partial, StandardCharsets.UTF_8)) {
                    readLines(file, (number, line) -> {
                        if (isKept(file, number, line, lastStep)) {
                            writer.write(line);
                            writer.write('\n');
                        }
                    });
                }
            });
        }
    }

    /** Gives a log that cannot be read another name, and says which. */
    static Path setAside(Path file) {
        Path aside = file.resolveSibling(NAME + ".damaged");
        try {
            return Files.move(file, aside, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UserErrorException("cannot move " + file + ": " + Reasons.of(e), e);
        }
    }

    private static boolean isKept(Path file, long number, String line, long lastStep) {
        return lastStep > 0 && parse(file, number, line).step() <= lastStep;
    }

    /** Whether nothing was added since the run started. */
    boolean isUnchanged() {
        return start != null;
    }

    @Override
    public void onStart(TrainingPlan plan) {
        close();
        truncate(file, plan.startStep());
        lastStep = plan.startStep();
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            out = Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UserErrorException("cannot write " + file + ": " + e, e);
        }
        start = MetricsEvent.start(plan);
        if (plan.startStep() == 0 || !endsFinally(file)) {
            addStart();
        }
    }

    /** Whether the last event is the end of a run that is complete. */
    private static boolean endsFinally(Path file) {
        boolean[] last = {false};
        if (Files.exists(file)) {
            readLines(
                    file, (number, line) -> last[0] = parse(file, number, line).isFinalEnd());
        }
        return last[0];
    }

    private void addStart() {
        MetricsEvent added = start;
        start = null;
        if (added != null) {
            append(added);
            earlyWarnings.forEach(message -> append(MetricsEvent.warning(added.step(), message)));
            earlyWarnings.clear();
        }
    }

    /** A warning comes before the start as well; it is written after it. */
    @Override
    public void onWarning(String message) {
        if (out == null || start != null) {
            earlyWarnings.add(message);
        } else {
            append(MetricsEvent.warning(lastStep, message));
        }
    }

    @Override
    public void onStep(StepMetrics metrics) {
        lastStep = metrics.step();
        append(MetricsEvent.step(metrics));
    }

    @Override
    public void onEvaluation(EvaluationMetrics metrics) {
        append(MetricsEvent.evaluation(metrics));
    }

    @Override
    public void onExpertLoad(ExpertLoad load) {
        append(MetricsEvent.expertLoad(load));
    }

    @Override
    public void onMemory(MemoryComparison comparison) {
        append(MetricsEvent.memory(comparison));
    }

    @Override
    public void onCheckpoint(Path directory, long step) {
        append(MetricsEvent.checkpoint(directory, step));
    }

    @Override
    public void onSamples(List<SampleComparison> samples) {
        append(MetricsEvent.samples(lastStep, samples));
    }

    @Override
    public void onEnd(TrainingSummary summary) {
        // A start that waits until now did nothing, and the end is there already.
        if (!isUnchanged()) {
            append(MetricsEvent.end(summary));
        }
        close();
    }

    @Override
    public void onFailure(Throwable failure) {
        append(MetricsEvent.failure(lastStep, failure));
        close();
    }

    private void append(MetricsEvent event) {
        addStart();
        if (out == null) {
            return;
        }
        try {
            out.write((event.toJson() + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write to " + file, e);
        }
    }

    private void close() {
        if (out != null) {
            try {
                out.close();
            } catch (IOException e) {
                throw new UncheckedIOException("cannot close " + file, e);
            } finally {
                out = null;
            }
        }
    }

    private static MetricsEvent parse(Path file, long number, String line) {
        try {
            return MetricsEvent.parse(line);
        } catch (IllegalArgumentException e) {
            throw new UserErrorException(
                    file + ", line " + number + ": not an event of a metrics log: " + e.getMessage(), e);
        }
    }

    private interface LineConsumer {
        void accept(long number, String line) throws IOException;
    }

    private static void readLines(Path file, LineConsumer consumer) {
        try (BufferedReader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            boolean lastLineIsComplete = endsCompletely(file);
            long number = 1;
            String line = reader.readLine();
            while (line != null) {
                String next = reader.readLine();
                if (next != null || lastLineIsComplete) {
                    consumer.accept(number, line);
                }
                line = next;
                number++;
            }
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + file + ": " + e, e);
        }
    }

    /** Whether the last line has its line end. */
    private static boolean endsCompletely(Path file) {
        try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "r")) {
            if (bytes.length() == 0) {
                return true;
            }
            bytes.seek(bytes.length() - 1);
            return bytes.read() == '\n';
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + file + ": " + e, e);
        }
    }
}
