package org.finetune4j.train.report;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.finetune4j.UserErrorException;

/**
 * Appends scalars and texts to a TensorBoard event file. Every call is one complete record that a reader sees at once:
 * a kill loses at most the record that is being written, and TensorBoard waits at a torn end.
 *
 * <p>Field numbers are those of TensorFlow's {@code event.proto}, {@code summary.proto} and {@code tensor.proto}.
 */
public final class TensorBoardWriter implements AutoCloseable {

    private static final String FILE_VERSION = "brain.Event:2";
    private static final int DATA_TYPE_STRING = 7;
    private static final int DATA_CLASS_TENSOR = 2;
    private static final int SESSION_START = 1;

    /** Keeps two writers of one process apart that are opened in the same second. */
    private static final AtomicInteger WRITERS = new AtomicInteger();

    private final Path file;
    private final OutputStream out;
    private final Clock clock;

    private TensorBoardWriter(Path file, OutputStream out, Clock clock) {
        this.file = file;
        this.out = out;
        this.clock = clock;
    }

    /**
     * Starts a new event file in {@code directory}, which is made if need be; older files there stay.
     *
     * @param directory of one run
     * @return the writer, to be closed
     * @throws UserErrorException when the file cannot be made
     */
    public static TensorBoardWriter open(Path directory) {
        return open(directory, Clock.systemUTC());
    }

    static TensorBoardWriter open(Path directory, Clock clock) {
        // TensorBoard reads the files of a directory in the order of their names, hence the zeros.
        String name = String.format(
                Locale.ROOT,
                "events.out.tfevents.%010d.%s.%d.%d",
                clock.instant().getEpochSecond(),
                hostName(),
                ProcessHandle.current().pid(),
                WRITERS.getAndIncrement());
        Path file = directory.resolve(name);
        try {
            Files.createDirectories(directory);
            OutputStream out = Files.newOutputStream(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            TensorBoardWriter writer = new TensorBoardWriter(file, out, clock);
            writer.write(new ProtobufMessage().string(3, FILE_VERSION));
            return writer;
        } catch (IOException e) {
            throw new UserErrorException("cannot write TensorBoard events to " + directory + ": " + e, e);
        }
    }

    /** {@return the event file} */
    public Path file() {
        return file;
    }

    /**
     * Says that a process starts, or goes on, at {@code firstStep}: TensorBoard drops what older files in the directory hold
     * for this step and later ones.
     *
     * @param firstStep number of the next step, from 1
     */
    public void sessionStart(long firstStep) {
        write(event(firstStep).message(7, new ProtobufMessage().integer(1, SESSION_START)));
    }

    /**
     * Writes one value for each tag, all at the same step and wall time. TensorBoard keeps them as 32-bit floats.
     *
     * @param step optimizer steps done
     * @param values one number for each tag
     */
    public void scalars(long step, Map<String, Double> values) {
        ProtobufMessage summary = new ProtobufMessage();
        values.forEach((tag, value) ->
                summary.message(1, new ProtobufMessage().string(1, tag).fixed32(2, value.floatValue())));
        write(event(step).message(5, summary));
    }

    /**
     * Writes a text, which TensorBoard's text page renders as Markdown.
     *
     * @param step optimizer steps done
     * @param tag the name that TensorBoard shows
     * @param markdown the text
     */
    public void text(long step, String tag, String markdown) {
        ProtobufMessage shape = new ProtobufMessage().message(2, new ProtobufMessage().integer(1, 1));
        ProtobufMessage tensor = new ProtobufMessage()
                .integer(1, DATA_TYPE_STRING)
                .message(2, shape)
                .string(8, markdown);
        ProtobufMessage metadata = new ProtobufMessage()
                .message(1, new ProtobufMessage().string(1, "text"))
                .integer(4, DATA_CLASS_TENSOR);
        ProtobufMessage value =
                new ProtobufMessage().string(1, tag).message(8, tensor).message(9, metadata);
        write(event(step).message(5, new ProtobufMessage().message(1, value)));
    }

    @Override
    public void close() {
        try {
            out.close();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot close " + file, e);
        }
    }

    private static ProtobufMessage event(long step) {
        return new ProtobufMessage().integer(2, step);
    }

    private void write(ProtobufMessage event) {
        Instant now = clock.instant();
        event.fixed64(1, now.getEpochSecond() + now.getNano() * 1e-9);
        try {
            out.write(TfRecord.frame(event.toByteArray()));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write to " + file, e);
        }
    }

    private static String hostName() {
        try {
            return InetAddress.getLocalHost().getHostName().replaceAll("[^A-Za-z0-9.-]", "-");
        } catch (UnknownHostException e) {
            return "localhost";
        }
    }
}
