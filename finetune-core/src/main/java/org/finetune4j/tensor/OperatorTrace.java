package org.finetune4j.tensor;

import ai.djl.pytorch.jni.JniUtils;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.Json;

/**
 * What libtorch was asked for while a trace was open, by all threads: its own profiler's record. Recording costs some
 * microseconds an operator. One trace at a time is open in a process.
 */
public final class OperatorTrace {

    /** Microseconds by which the ends of two calls can be read out of order. */
    private static final double CLOCK = 1e-3;

    private OperatorTrace() {}

    /**
     * One operator that ran.
     *
     * @param name as libtorch has it, without a namespace: {@code addmm_}
     * @param thread a number of the thread that asked
     * @param start microseconds since the trace began
     * @param duration microseconds, with what it asked others for
     * @param shapes of its operands; empty lists are numbers and options
     */
    public record Call(String name, long thread, double start, double duration, List<long[]> shapes) {

        /**
         * Whether this call asked for another one.
         *
         * @param other a later one of the same list
         * @return whether it lies within this one
         */
        public boolean contains(Call other) {
            return thread == other.thread && other.start + other.duration <= start + duration + CLOCK;
        }
    }

    /**
     * Records what libtorch is asked for during some work.
     *
     * @param work runs once
     * @return all calls, ordered by thread, start, and the longer one first: a call stands before those that it made
     * @throws UncheckedIOException when the record cannot be written to the folder of temporary files, or be read there
     */
    public static synchronized List<Call> of(Runnable work) {
        Torch.ensureLoaded();
        try {
            Path file = Files.createTempFile("operators", ".json");
            try {
                JniUtils.startProfile(false, true, false);
                try {
                    work.run();
                } finally {
                    JniUtils.stopProfile(file.toString());
                }
                return read(file);
            } finally {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Call> read(Path file) throws IOException {
        List<Call> calls = new ArrayList<>();
        for (Object event : Json.toList(Json.parse(Files.readString(file), "the record of operators"))) {
            Map<?, ?> fields = (Map<?, ?>) event;
            if (String.valueOf(fields.get("pid")).startsWith("CPU")) {
                String name = String.valueOf(fields.get("name"));
                List<long[]> shapes = new ArrayList<>();
                for (Object shape : (List<?>) Objects.requireNonNull(fields.get("shape"))) {
                    shapes.add(((List<?>) shape)
                            .stream()
                                    .mapToLong(length -> ((Number) length).longValue())
                                    .toArray());
                }
                calls.add(new Call(
                        name.substring(name.lastIndexOf(':') + 1),
                        number(fields, "tid").longValue(),
                        number(fields, "ts").doubleValue(),
                        number(fields, "dur").doubleValue(),
                        shapes));
            }
        }
        calls.sort(Comparator.comparingLong(Call::thread)
                .thenComparingDouble(Call::start)
                .thenComparing(Comparator.comparingDouble(Call::duration).reversed()));
        return calls;
    }

    private static Number number(Map<?, ?> fields, String name) {
        return (Number) Objects.requireNonNull(fields.get(name), name);
    }
}
