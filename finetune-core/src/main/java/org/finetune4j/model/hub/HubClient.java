package org.finetune4j.model.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.InputFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * Downloads models and adapters from a Hugging Face compatible hub into the cache that Python uses too.
 *
 * <pre>{@code
 * Path directory = HubClient.fromEnvironment().resolve("org/name");
 * }</pre>
 */
public final class HubClient {

    private final HubSettings settings;
    private final HubHttp http;
    private final HubCache cache;

    HubClient(HubSettings settings, Waiting waiting) {
        this.settings = settings;
        this.http = new HubHttp(settings, waiting);
        this.cache = new HubCache(settings.cache());
    }

    /**
     * {@return a client for these settings}
     *
     * @param settings address, token and cache
     */
    public static HubClient of(HubSettings settings) {
        return new HubClient(settings, Waiting.SLEEP);
    }

    /** {@return a client for what the environment variables say; see {@link HubSettings#of}} */
    public static HubClient fromEnvironment() {
        return of(HubSettings.fromEnvironment());
    }

    /** {@return address, token and cache} */
    public HubSettings settings() {
        return settings;
    }

    HubHttp http() {
        return http;
    }

    /**
     * {@link #resolve(String, HubProgress)} without anybody listening.
     *
     * @param nameOrPath a directory, {@code org/name} or {@code org/name@revision}
     * @return the directory
     * @throws UserErrorException when there is no such directory, and the hub does not give a repository of this name
     */
    public Path resolve(String nameOrPath) {
        return resolve(nameOrPath, HubProgress.NONE);
    }

    /**
     * The directory that a name means: an existing local directory as it is, else the snapshot of the hub's {@code
     * org/name} or {@code org/name@revision}, downloaded if need be.
     *
     * @param nameOrPath a directory, {@code org/name} or {@code org/name@revision}
     * @param progress is told how far a download is
     * @return the directory
     * @throws UserErrorException when there is no such directory, and the hub does not give a repository of this name or
     *     cannot be asked; the message says both
     */
    public Path resolve(String nameOrPath, HubProgress progress) {
        Path local = InputFiles.path("model", nameOrPath);
        if (Files.exists(local)) {
            return local;
        }
        String missing = "no directory " + nameOrPath;
        HubRepository repository = Optional.of(nameOrPath)
                .filter(name -> name.contains("/"))
                .flatMap(HubRepository::tryParse)
                .orElseThrow(() -> new UserErrorException(
                        missing + ", and it is no name on a hub (ORG/NAME, optionally @REVISION)"));
        try {
            return download(repository, progress);
        } catch (HubUnreachableException e) {
            throw new UserErrorException(
                    missing + ", and no repository " + repository + " can be had: " + e.getMessage(), e);
        } catch (UserErrorException e) {
            throw new UserErrorException(missing + ", and " + e.getMessage(), e);
        }
    }

    /**
     * Downloads the files that are needed to use a model or an adapter.
     *
     * @param repository name and revision
     * @param progress is told
     * @return the snapshot directory in the cache
     * @throws UserErrorException when the hub does not have it or does not give it, the network or the content stays
     *     broken, or in offline mode the cache has not got it
     */
    public Path download(HubRepository repository, HubProgress progress) {
        if (settings.offline()) {
            return cached(repository)
                    .orElseThrow(() -> new UserErrorException(repository + " is not in " + settings.cache()
                            + ", or not all of it, and HF_HUB_OFFLINE forbids to download it"));
        }
        JsonNode info;
        try {
            HttpResponse<InputStream> answer = http.send(HubHttp.Call.get(informationOf(repository), Map.of()));
            Optional<Path> instead = answer.statusCode() / 100 == 5 ? cached(repository) : Optional.empty();
            if (instead.isPresent()) {
                answer.body().close();
                return instead.get();
            }
            info = HubAnswers.json(answer, repository, "the repository");
        } catch (HubUnreachableException e) {
            return cached(repository).orElseThrow(() -> e);
        } catch (IOException e) {
            throw new HubUnreachableException(repository + ": the answer broke off: " + Reasons.of(e), e);
        }
        String commit = info.path("sha").asText();
        if (!HubCache.isCommit(commit)) {
            throw new UserErrorException(repository + ": the hub does not say which commit it is at");
        }
        List<String> all = new ArrayList<>();
        info.path("siblings")
                .forEach(sibling -> all.add(sibling.path("rfilename").asText()));
        List<String> needed = NeededFiles.of(all, repository.toString());
        try {
            for (String path : needed) {
                HubFile.checkPath(path);
                fetch(repository, commit, path, progress);
            }
            // Two at once would write the same reference through the same temporary file.
            FileLocks.whileHolding(cache.lock(repository, "refs"), () -> cache.remember(repository, commit));
        } catch (IOException e) {
            throw new UserErrorException("cannot write to the hub cache " + settings.cache() + ": " + Reasons.of(e), e);
        }
        return cache.snapshot(repository, commit);
    }

    private Optional<Path> cached(HubRepository repository) {
        return cache.find(repository).filter(CompleteSnapshot::test);
    }

    private URI informationOf(HubRepository repository) {
        return http.address("api/models/" + repository.id() + "/revision", repository.revision());
    }

    private void fetch(HubRepository repository, String commit, String path, HubProgress progress) throws IOException {
        if (Files.exists(cache.snapshot(repository, commit).resolve(path))) {
            return;
        }
        URI address = http.address(repository.id() + "/resolve/" + commit + "/" + path);
        HubFile file = describe(repository, address, path);
        Path blob = cache.blob(repository, file.etag());
        FileLocks.whileHolding(cache.lock(repository, file.etag()), () -> {
            if (!Files.exists(blob)) {
                new Transfer(http, repository, file, blob, progress).run(address);
            }
            cache.link(repository, commit, file);
        });
    }

    private HubFile describe(HubRepository repository, URI address, String path) throws IOException {
        HttpResponse<InputStream> response = http.send(HubHttp.Call.head(address));
        response.body().close();
        boolean elsewhere = response.statusCode() / 100 == 3;
        if (response.statusCode() / 100 != 2 && !elsewhere) {
            throw HubAnswers.refusal(response, repository, path);
        }
        var headers = response.headers();
        String etag = headers.firstValue("X-Linked-Etag")
                .or(() -> headers.firstValue("ETag"))
                .orElse("");
        long size = headers.firstValueAsLong("X-Linked-Size")
                .orElse(
                        elsewhere
                                ? -1
                                : headers.firstValueAsLong("Content-Length").orElse(-1));
        return new HubFile(path, HubFile.normalized(etag), size);
    }

    /**
     * {@return the hub's name of the model in a directory of the cache; empty for other directories}
     *
     * @param directory of the model
     */
    public static Optional<String> repositoryOf(Path directory) {
        return HubCache.repositoryOf(directory);
    }
}
