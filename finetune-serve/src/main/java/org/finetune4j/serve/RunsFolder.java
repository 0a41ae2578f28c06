package org.finetune4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.report.MetricsLog;

/** The trainings whose logs lie in a folder, running and past, as their trainers write them. Nothing is kept: files are read anew. */
final class RunsFolder {

    private static final int DEEPEST = 5;
    private static final int MOST_RUNS = 500;

    /** More points than a screen shows. */
    private static final int MOST_STEPS = 1000;

    private static final int MOST_OTHERS = 2000;
    private static final int LONGEST_LINE = 1 << 20;

    private final Path root;

    RunsFolder(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw new UserErrorException("--runs: " + folder + " is no directory");
        }
        this.root = folder.toAbsolutePath().normalize();
    }

    /** The logs by the paths of their directories, the one that was written to last first. */
    private Map<String, Path> logs() throws IOException {
        List<Log> found;
        try (Stream<Path> files = Files.walk(root, DEEPEST)) {
            found = files.filter(file -> file.endsWith(MetricsLog.NAME))
                    .filter(file -> Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS))
                    .map(file -> new Log(file, modified(file)))
                    .sorted(Comparator.comparingLong(Log::modified).reversed())
                    .limit(MOST_RUNS)
                    .toList();
        } catch (UncheckedIOException e) {
            throw new IOException(Reasons.of(e), e);
        }
        Map<String, Path> logs = new LinkedHashMap<>();
        for (Log log : found) {
            String name = root.relativize(log.file.getParent()).toString().replace(File.separatorChar, '/');
            logs.put(name.isEmpty() ? "." : name, log.file);
        }
        return logs;
    }

    /** When it was written to is asked once: it may be written to while others are compared with it. */
    private record Log(Path file, long modified) {}

    private static long modified(Path file) {
        try {
            return Files.getLastModifiedTime(file).toMillis();
        } catch (IOException e) {
            return 0;
        }
    }

    /** The names of all runs, with when each was written to. */
    ObjectNode list() {
        ObjectNode root = Json.object();
        root.put("object", "list");
        ArrayNode data = root.putArray("data");
        try {
            logs().forEach((name, file) ->
                    data.addObject().put("id", name).put("object", "run").put("modified", modified(file) / 1000));
        } catch (IOException | RuntimeException e) {
            throw ApiException.internal("the folder of runs cannot be read: " + Reasons.of(e));
        }
        return root;
    }

    /** The events of a run: all but steps whole, of steps as many as a screen shows. */
    ObjectNode run(String name) {
        try {
            Path file = logs().get(name); // Only what was found in the folder is opened.
            if (file == null) {
                throw ApiException.notFound("run", "not_found", "there is no run '" + Reasons.excerpt(name) + "'");
            }
            List<JsonNode> steps = new ArrayList<>();
            List<JsonNode> others = new ArrayList<>();
            int stride = read(file, steps, others);
            ObjectNode run = Json.object();
            run.put("id", name);
            run.put("object", "run");
            run.put("modified", modified(file) / 1000);
            run.put("steps_apart", stride);
            run.putArray("steps").addAll(steps);
            run.putArray("events").addAll(others);
            return run;
        } catch (IOException e) {
            throw ApiException.internal("the run cannot be read: " + Reasons.of(e));
        }
    }

    /** Keeps every so manieth step, more sparsely the more there are; says how far apart they are. */
    private static int read(Path file, List<JsonNode> steps, List<JsonNode> others) throws IOException {
        int stride = 1;
        long seen = 0;
        try (BufferedReader reader = Files.newBufferedReader(file)) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                JsonNode event;
                try {
                    event = line.length() > LONGEST_LINE ? Json.object() : Json.parse(line, "event");
                } catch (UserErrorException e) {
                    continue; // the last line of a run that writes just now
                }
                if (!event.path("event").asText().equals("step")) {
                    if (others.size() < MOST_OTHERS && event.has("event")) {
                        others.add(event);
                    }
                } else if (seen++ % stride == 0) {
                    steps.add(event);
                    if (steps.size() > MOST_STEPS) {
                        for (int i = steps.size() / 2; i > 0; i--) {
                            steps.remove(2 * i - 1);
                        }
                        stride *= 2;
                    }
                }
            }
        }
        return stride;
    }
}
