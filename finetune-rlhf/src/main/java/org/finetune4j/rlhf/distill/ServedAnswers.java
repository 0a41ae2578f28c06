package org.finetune4j.rlhf.distill;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.hash.Hashing;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.finetune4j.FinetuneException;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.format.Turn;
import org.jspecify.annotations.Nullable;

/**
 * What a served teacher answered to prompts, asked once: each answer is added to a file as it comes, by the hash of its request, so that
 * a run that was killed, or another one, asks for the rest only.
 */
final class ServedAnswers {

    private static final int AT_ONCE = 4;
    private static final String REQUEST = "request";

    private ServedAnswers() {}

    /**
     * Asks for answers.
     *
     * @param prompts what is asked
     * @param file keeps the answers, or null for nowhere
     * @return one for each prompt
     * @throws UserErrorException when the service does not answer; what it had answered is kept
     */
    static List<TeacherServer.Said> of(TeacherServer server, List<List<Turn>> prompts, @Nullable Path file) {
        Map<String, TeacherServer.Said> known = file == null ? new HashMap<>() : read(file);
        Map<String, ObjectNode> missing = new LinkedHashMap<>();
        List<String> hashes = new ArrayList<>();
        for (List<Turn> prompt : prompts) {
            ObjectNode request = server.request(prompt);
            String hash = Hashing.sha256()
                    .hashString(Json.write(request), StandardCharsets.UTF_8)
                    .toString();
            hashes.add(hash);
            if (!known.containsKey(hash)) {
                missing.putIfAbsent(hash, request);
            }
        }
        if (!missing.isEmpty()) {
            ask(server, missing, known, file);
        }
        return hashes.stream()
                .map(hash -> Objects.requireNonNull(known.get(hash)))
                .toList();
    }

    private static void ask(
            TeacherServer server,
            Map<String, ObjectNode> missing,
            Map<String, TeacherServer.Said> known,
            @Nullable Path file) {
        ExecutorService workers = Executors.newFixedThreadPool(AT_ONCE);
        try (OutputStream out = file == null ? OutputStream.nullOutputStream() : open(file)) {
            Map<String, Future<TeacherServer.Said>> asked = new LinkedHashMap<>();
            missing.forEach((hash, request) -> asked.put(hash, workers.submit(() -> server.ask(request))));
            for (Map.Entry<String, Future<TeacherServer.Said>> each : asked.entrySet()) {
                TeacherServer.Said said = each.getValue().get();
                known.put(each.getKey(), said);
                ObjectNode line = Json.object().put(REQUEST, each.getKey());
                line.setAll(said.toJson());
                out.write((Json.write(line) + "\n").getBytes(StandardCharsets.UTF_8));
            }
        } catch (IOException e) {
            throw new UserErrorException("cannot write " + file + ": " + Reasons.of(e), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted while a teacher answered", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof UserErrorException refused) {
                throw refused;
            }
            throw new FinetuneException("a teacher could not be asked", e);
        } finally {
            workers.shutdownNow();
        }
    }

    private static OutputStream open(Path file) throws IOException {
        Files.createDirectories(file.toAbsolutePath().getParent());
        return Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /** Lines that a kill has cut are asked again. */
    private static Map<String, TeacherServer.Said> read(Path file) {
        Map<String, TeacherServer.Said> known = new HashMap<>();
        if (Files.exists(file)) {
            for (String line : InputFiles.text(file).split("\n")) {
                try {
                    JsonNode json = Json.parse(line, file);
                    if (json.hasNonNull(REQUEST) && json.path("text").isTextual()) {
                        known.put(json.path(REQUEST).asText(), TeacherServer.Said.of(json));
                    }
                } catch (UserErrorException e) {
                    // A line that was not written to its end.
                }
            }
        }
        return known;
    }
}
