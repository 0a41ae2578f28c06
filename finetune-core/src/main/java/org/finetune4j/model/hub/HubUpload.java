package org.finetune4j.model.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * Uploads a folder as one commit: the repository is made if there is none, the hub says which files are large, those go to
 * its large file storage, and the commit carries the small ones. Where a folder has no {@code README.md} a
 * {@link ModelCard} is added. Hidden files and training checkpoints stay behind.
 */
public final class HubUpload {

    private static final String JSON_TYPE = "application/json";
    private static final int SAMPLE_BYTES = 512;
    private static final int CONFLICT = 409;

    private final HubClient client;
    private final HubHttp http;
    private final HubRepository repository;
    private final HubProgress progress;

    private HubUpload(HubClient client, HubRepository repository, HubProgress progress) {
        this.client = client;
        this.http = client.http();
        this.repository = repository;
        this.progress = progress;
    }

    /**
     * An upload to the branch that {@code repository} names.
     *
     * @param client of the hub
     * @param repository name and revision
     * @param progress is told
     * @return the upload
     */
    public static HubUpload to(HubClient client, HubRepository repository, HubProgress progress) {
        return new HubUpload(client, repository, progress);
    }

    /**
     * Uploads a folder.
     *
     * @param folder whose files are uploaded
     * @param hidden whether a new repository is for its owner only
     * @param message what the commit says
     * @return the address of the commit, or its id where the hub gives no address
     * @throws UserErrorException when there is nothing to upload, no token, or the hub refuses
     */
    public String push(Path folder, boolean hidden, String message) {
        if (client.settings().offline()) {
            throw new UserErrorException("cannot push to " + repository + ": HF_HUB_OFFLINE forbids to ask the hub");
        }
        if (client.settings().token() == null) {
            throw new UserErrorException("cannot push to " + repository + ": set HF_TOKEN to a token that may write");
        }
        try {
            List<UploadFile> files = UploadFile.of(folder, repository);
            createRepository(hidden);
            askForModes(files);
            List<UploadFile> kept =
                    files.stream().filter(file -> !file.isIgnored()).toList();
            List<UploadFile> large = kept.stream().filter(UploadFile::isLarge).toList();
            if (!large.isEmpty()) {
                uploadLarge(large);
            }
            return commit(kept, message);
        } catch (IOException e) {
            throw new UserErrorException("cannot upload " + folder + ": " + Reasons.of(e), e);
        }
    }

    private void createRepository(boolean hidden) throws IOException {
        ObjectNode wanted = Json.object();
        int slash = repository.id().indexOf('/');
        if (slash > 0) {
            wanted.put("organization", repository.id().substring(0, slash));
        }
        wanted.put("name", repository.id().substring(slash + 1));
        wanted.put("type", "model").put("private", hidden);
        create(http.address("api/repos/create"), wanted, "the new repository");
        // A pull request's reference is made by the hub.
        if (!repository.revision().equals(HubRepository.MAIN)
                && !repository.revision().startsWith("refs/")) {
            URI branch = http.address("api/models/" + repository.id() + "/branch", repository.revision());
            create(branch, Json.object(), "the new branch");
        }
    }

    /** What exists already is as good as made. */
    private void create(URI address, ObjectNode wanted, String what) throws IOException {
        HttpResponse<InputStream> response = post(address, JSON_TYPE, Json.bytes(wanted));
        if (response.statusCode() == CONFLICT) {
            response.body().close();
        } else {
            HubAnswers.json(response, repository, what);
        }
    }

    private void askForModes(List<UploadFile> files) throws IOException {
        ArrayNode asked = Json.array();
        for (UploadFile file : files) {
            asked.addObject()
                    .put("path", file.path())
                    .put("size", file.size())
                    .put("sample", Base64.getEncoder().encodeToString(file.start(SAMPLE_BYTES)));
        }
        ObjectNode question = Json.object();
        question.set("files", asked);
        URI address = http.address("api/models/" + repository.id() + "/preupload", repository.revision());
        JsonNode answer =
                HubAnswers.json(post(address, JSON_TYPE, Json.bytes(question)), repository, "the list of files");
        Map<String, JsonNode> modes = new LinkedHashMap<>();
        answer.path("files").forEach(mode -> modes.put(mode.path("path").asText(), mode));
        for (UploadFile file : files) {
            JsonNode mode = modes.get(file.path());
            if (mode == null) {
                throw new UserErrorException(repository + ": the hub does not say how to upload " + file.path());
            }
            // Storage for large files cannot hold empty ones.
            file.decide(
                    mode.path("uploadMode").asText().equals("lfs") && file.size() > 0,
                    mode.path("shouldIgnore").asBoolean());
        }
    }

    private void uploadLarge(List<UploadFile> files) throws IOException {
        Map<String, UploadFile> byHash = new LinkedHashMap<>();
        ObjectNode question = Json.object().put("operation", "upload").put("hash_algo", "sha256");
        question.putArray("transfers").add("basic").add("multipart");
        question.putObject("ref").put("name", repository.revision());
        ArrayNode objects = question.putArray("objects");
        for (UploadFile file : files) {
            if (byHash.putIfAbsent(file.sha256(), file) == null) {
                objects.addObject().put("oid", file.sha256()).put("size", file.size());
            }
        }
        HttpResponse<InputStream> response = http.send(new HubHttp.Call(
                "POST",
                http.address(repository.id() + ".git/info/lfs/objects/batch"),
                LargeFileUpload.HEADERS,
                BodyPublishers.ofByteArray(Json.bytes(question)),
                true));
        LargeFileUpload upload = new LargeFileUpload(http, repository, progress);
        for (JsonNode object :
                HubAnswers.json(response, repository, "the large files").path("objects")) {
            UploadFile file = byHash.get(object.path("oid").asText());
            if (file != null) {
                upload.send(file, object);
            }
        }
    }

    private String commit(List<UploadFile> files, String message) throws IOException {
        Path body = AtomicFiles.temporaryFile("finetune4j-commit", ".ndjson");
        try {
            CommitBody.write(body, files, message);
            URI address = http.address("api/models/" + repository.id() + "/commit", repository.revision());
            HttpResponse<InputStream> response =
                    http.send(HubHttp.Call.post(address, "application/x-ndjson", BodyPublishers.ofFile(body)));
            JsonNode answer = HubAnswers.json(response, repository, "the commit");
            return answer.path("commitUrl").asText(answer.path("commitOid").asText());
        } finally {
            AtomicFiles.deleteTemporary(body);
        }
    }

    private HttpResponse<InputStream> post(URI address, String type, byte[] body) {
        return http.send(HubHttp.Call.post(address, type, BodyPublishers.ofByteArray(body)));
    }
}
