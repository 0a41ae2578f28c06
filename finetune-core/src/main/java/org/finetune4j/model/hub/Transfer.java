package org.finetune4j.model.hub;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Fetches one file into a blob. What arrived stays in an {@code .incomplete} file, from where a later try, or a later
 * process, goes on. The caller holds the blob's lock.
 */
final class Transfer {

    /** A name of our own: versions of huggingface_hub exist that append to {@code ETAG.incomplete} without our lock. */
    private static final String INCOMPLETE = ".finetune4j.incomplete";

    /** The largest file of which a hub need not say how large it is. */
    private static final long LARGEST_UNKNOWN = 128L << 20;

    private final HubHttp http;
    private final HubRepository repository;
    private final HubFile file;
    private final Path blob;
    private final Path incomplete;
    private final HubProgress progress;

    Transfer(HubHttp http, HubRepository repository, HubFile file, Path blob, HubProgress progress) {
        this.http = http;
        this.repository = repository;
        this.file = file;
        this.blob = blob;
        this.incomplete = blob.resolveSibling(file.etag() + INCOMPLETE);
        this.progress = progress;
    }

    /**
     * Fetches the file and checks size and hash.
     *
     * @throws UserErrorException when the content is twice not what the hub said it is, or the connection always breaks
     */
    void run(URI address) throws IOException {
        Path directory = blob.resolveSibling("");
        Files.createDirectories(directory);
        long room = Files.getFileStore(directory).getUsableSpace() + arrived();
        if (file.size() > room) {
            throw new UserErrorException(repository + ": " + file.path() + " has " + file.size() + " bytes, and "
                    + directory + " has room for " + room);
        }
        boolean resumed = arrived() > 0;
        for (boolean again = true; ; again = false) {
            fetchAll(address);
            if (FileHash.agrees(incomplete, file.etag())) {
                break;
            }
            Files.delete(incomplete);
            if (!resumed || !again) {
                throw new UserErrorException(repository + ": " + file.path()
                        + " arrived with another content than the hub announced (hash " + file.etag()
                        + " expected); nothing was kept");
            }
        }
        try (FileChannel channel = FileChannel.open(incomplete, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
        Files.move(incomplete, blob, StandardCopyOption.ATOMIC_MOVE);
    }

    private long arrived() throws IOException {
        return Files.exists(incomplete) ? Files.size(incomplete) : 0;
    }

    /** What one try has to bring, or a hub could break off after every byte for years. */
    private long worthwhile() {
        return Math.min(1 << 20, 1 + file.size() / 100);
    }

    /** Asks for what is missing until nothing is. Only tries that bring next to nothing are counted. */
    private void fetchAll(URI address) throws IOException {
        int fruitless = 0;
        while (file.size() < 0 || arrived() != file.size() || !Files.exists(incomplete)) {
            long before = arrived();
            if (file.size() >= 0 && before > file.size()) {
                Files.delete(incomplete);
                before = 0;
            }
            IOException broken = fetchRest(address, before);
            if (broken == null && (file.size() < 0 || arrived() == file.size())) {
                return;
            }
            fruitless = arrived() - before >= worthwhile() ? 1 : fruitless + 1;
            if (fruitless == HubHttp.TRIES) {
                throw new HubUnreachableException(
                        repository + ": the transfer of " + file.path() + " breaks off at byte " + arrived()
                                + " each time" + (broken == null ? "" : ": " + Reasons.of(broken))
                                + "; start again to go on from there",
                        broken == null ? new IOException("end of data") : broken);
            }
            http.pauseBeforeTry(fruitless);
        }
    }

    /** Appends what one answer brings; returns what broke it off, or null. */
    private @Nullable IOException fetchRest(URI address, long from) throws IOException {
        Map<String, String> headers = from > 0
                ? Map.of("Accept-Encoding", "identity", "Range", "bytes=" + from + "-")
                : Map.of("Accept-Encoding", "identity");
        HttpResponse<InputStream> response = http.send(HubHttp.Call.get(address, headers));
        int status = response.statusCode();
        try (InputStream body = response.body()) {
            if (status == 416) {
                Files.deleteIfExists(incomplete);
                return new IOException("the hub does not have the rest");
            }
            if (status != 200 && status != 206) {
                throw HubAnswers.refusal(response, repository, file.path());
            }
            String encoding = response.headers().firstValue("Content-Encoding").orElse("identity");
            if (!encoding.equalsIgnoreCase("identity")) {
                throw new UserErrorException(repository + ": " + file.path() + " was sent compressed ("
                        + Reasons.oneLine(encoding) + "), which was not asked for");
            }
            boolean goesOn = status == 206 && startsAt(response, from);
            if (status == 206 && !goesOn) {
                Files.deleteIfExists(incomplete);
                return new IOException("the hub sent another part than asked for");
            }
            return append(body, goesOn ? from : 0);
        }
    }

    private static boolean startsAt(HttpResponse<?> response, long from) {
        return response.headers().firstValue("Content-Range").orElse("").startsWith("bytes " + from + "-");
    }

    private @Nullable IOException append(InputStream body, long from) throws IOException {
        byte[] buffer = new byte[1 << 16];
        long done = from;
        try (OutputStream out = open(from);
                StallGuard guard = StallGuard.watch(body)) {
            while (true) {
                int count;
                try {
                    count = body.read(buffer);
                } catch (IOException e) {
                    return e;
                }
                if (count < 0) {
                    return null;
                }
                guard.received(count);
                done += count;
                checkLength(done);
                write(out, buffer, count);
                progress.transferred(file.path(), done, file.size());
            }
        }
    }

    /** A body without an end would fill the disk. */
    private void checkLength(long length) throws IOException {
        if (length > (file.size() < 0 ? LARGEST_UNKNOWN : file.size())) {
            Files.delete(incomplete);
            throw new UserErrorException(repository + ": " + file.path() + " is longer than "
                    + (file.size() < 0
                            ? (LARGEST_UNKNOWN >> 20) + " MiB, and the hub did not say how long it would be"
                            : "the " + file.size() + " bytes that the hub announced")
                    + "; nothing was kept");
        }
    }

    private OutputStream open(long from) throws IOException {
        return from > 0
                ? Files.newOutputStream(incomplete, StandardOpenOption.APPEND)
                : Files.newOutputStream(incomplete, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING);
    }

    private void write(OutputStream out, byte[] buffer, int count) {
        try {
            out.write(buffer, 0, count);
        } catch (IOException e) {
            throw new UserErrorException("cannot write " + incomplete + ": " + Reasons.of(e), e);
        }
    }
}
