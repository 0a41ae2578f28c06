package org.finetune4j.rlhf.distill;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.hash.Hashing;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.SeekableByteChannel;
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
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a served teacher answered to prompts, asked once: each answer is added to a file as it comes, by the hash of its request, so that
 * a run that was killed, or another one, asks for the rest only.
 */
final class ServedAnswers {

    private static final Logger LOG = LoggerFactory.getLogger(ServedAnswers.class);
    private static final int AT_ONCE = 4;
    private static final String REQUEST = "request";

    /** No file is as long: what is locked there keeps nobody from reading. */
    private static final long BEYOND = Long.MAX_VALUE - 1;

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
        if (file == null) {
            return known(server, prompts, null);
        }
        // Of ranks that want the same, threads or processes, one asks and the others read what it was told.
        synchronized (ServedAnswers.class) {
            try {
                Files.createDirectories(file.toAbsolutePath().getParent());
                try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                        FileLock lock = channel.lock(BEYOND, 1, false)) {
                    return known(server, prompts, file);
                }
            } catch (IOException e) {
                throw new UserErrorException("cannot write " + file + ": " + Reasons.of(e), e);
            }
        }
    }

    private static List<TeacherServer.Said> known(TeacherServer server, List<List<Turn>> prompts, @Nullable Path file) {
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
        CompletionService<Answer> asked = new ExecutorCompletionService<>(workers);
        try (OutputStream out = file == null ? OutputStream.nullOutputStream() : open(file)) {
            missing.forEach((hash, request) -> asked.submit(() -> new Answer(hash, server.ask(request))));
            try {
                for (int i = 0; i < missing.size(); i++) {
                    asked.take().get().keep(known, out);
                }
            } catch (ExecutionException e) {
                keepOthers(asked, known, out);
                if (e.getCause() instanceof UserErrorException refused) {
                    throw refused;
                }
                throw new FinetuneException("a teacher could not be asked", e);
            }
        } catch (IOException e) {
            throw new UserErrorException("cannot write " + file + ": " + Reasons.of(e), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted while a teacher answered", e);
        } finally {
            workers.shutdownNow();
        }
    }

    /** What was answered to a request. */
    private record Answer(String hash, TeacherServer.Said said) {

        void keep(Map<String, TeacherServer.Said> known, OutputStream out) throws IOException {
            known.put(hash, said);
            ObjectNode line = Json.object().put(REQUEST, hash);
            line.setAll(said.toJson());
            out.write((Json.write(line) + "\n").getBytes(StandardCharsets.UTF_8));
        }
    }

    /** Those that have come while one failed. */
    private static void keepOthers(
            CompletionService<Answer> asked, Map<String, TeacherServer.Said> known, OutputStream out)
            throws IOException, InterruptedException {
        for (Future<Answer> done = asked.poll(); done != null; done = asked.poll()) {
            try {
                done.get().keep(known, out);
            } catch (ExecutionException e) {
                LOG.debug("another request failed, too", e);
            }
        }
    }

    private static OutputStream open(Path file) throws IOException {
        boolean isCut = isCut(file);
        OutputStream out = Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        if (isCut) {
            out.write('\n');
        }
        return out;
    }

    /** Whether the last line was not written to its end. */
    private static boolean isCut(Path file) throws IOException {
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            ByteBuffer last = ByteBuffer.allocate(1);
            return channel.size() > 0 && channel.position(channel.size() - 1).read(last) == 1 && last.get(0) != '\n';
        }
    }

    /** Lines that a kill has cut are asked again. */
    private static Map<String, TeacherServer.Said> read(Path file) {
        Map<String, TeacherServer.Said> known = new HashMap<>();
        if (Files.exists(file)) {
            try (BufferedReader lines =
                    new BufferedReader(new InputStreamReader(InputFiles.open(file), StandardCharsets.UTF_8))) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    read(line, file, known);
                }
            } catch (IOException e) {
                throw new UserErrorException("cannot read " + file + ": " + Reasons.of(e), e);
            }
        }
        return known;
    }

    private static void read(String line, Path file, Map<String, TeacherServer.Said> known) {
        try {
            JsonNode json = Json.parse(line, file);
            if (json.hasNonNull(REQUEST) && json.path("text").isTextual()) {
                known.put(json.path(REQUEST).asText(), TeacherServer.Said.of(json));
            }
        } catch (UserErrorException e) {
            LOG.debug("{}: a line that was not written to its end", file, e);
        }
    }
}
