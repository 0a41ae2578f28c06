package org.finetune4j.model.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/** Reads what a hub answers, and says in one line what a refusal means. */
final class HubAnswers {

    private static final int LONGEST_REFUSAL = 2000;

    /** A list of 100,000 files takes a quarter of it. */
    private static final int LARGEST_ANSWER = 64 << 20;

    private HubAnswers() {}

    /**
     * The JSON of a successful answer.
     *
     * @throws UserErrorException when the hub refuses
     */
    static JsonNode json(HttpResponse<InputStream> response, HubRepository repository, String what) {
        try (InputStream body = response.body();
                StallGuard guard = StallGuard.watch(body)) {
            if (response.statusCode() / 100 != 2) {
                throw refusal(response, repository, what);
            }
            byte[] bytes = body.readNBytes(LARGEST_ANSWER + 1);
            if (bytes.length > LARGEST_ANSWER) {
                throw new UserErrorException(repository + ": the answer about " + what + " is larger than "
                        + (LARGEST_ANSWER >> 20) + " MiB");
            }
            return bytes.length == 0 ? Json.object() : parsed(bytes, what);
        } catch (IOException e) {
            throw new HubUnreachableException(
                    repository + ": the answer about " + what + " broke off: " + Reasons.of(e), e);
        }
    }

    private static JsonNode parsed(byte[] bytes, String what) throws IOException {
        try {
            return Json.parse(bytes, what);
        } catch (UserErrorException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    /**
     * What a refusal means to the user.
     *
     * @param what was asked for, such as a file's path
     */
    static UserErrorException refusal(HttpResponse<InputStream> response, HubRepository repository, String what) {
        int status = response.statusCode();
        String code = response.headers().firstValue("X-Error-Code").orElse("");
        String host = " on " + response.uri().getHost();
        String method = response.request().method();
        boolean writes = method.equals("POST") || method.equals("PUT");
        if (writes && (status == 401 || status == 403)) {
            return new UserErrorException(repository.id() + host + ": access denied to " + what
                    + ": set HF_TOKEN to a token that may write there" + said(response));
        }
        if (code.equals("GatedRepo") || status == 403) {
            return new UserErrorException(repository.id() + host + ": access denied to " + what
                    + ": ask for access on its page and set HF_TOKEN to a token that has it" + said(response));
        }
        if (status == 401 || code.equals("RepoNotFound")) {
            return new UserErrorException("no repository " + repository.id() + host
                    + ", or it is private or gated: check the name, or set HF_TOKEN to a token that may read it");
        }
        if (status == 404 && code.equals("RevisionNotFound")) {
            return new UserErrorException(repository.id() + host + " has no revision '" + repository.revision() + "'");
        }
        if (status == 404) {
            return new UserErrorException(
                    repository.id() + host + ", revision " + repository.revision() + ": " + what + " was not found");
        }
        return new UserErrorException(repository.id() + host + ": status " + status + " for " + what + said(response));
    }

    private static String said(HttpResponse<InputStream> response) {
        String message = response.headers().firstValue("X-Error-Message").orElse("");
        if (message.isEmpty()) {
            try (InputStream body = response.body();
                    StallGuard guard = StallGuard.watch(body)) {
                String text = new String(body.readNBytes(LONGEST_REFUSAL), StandardCharsets.UTF_8);
                message = text.startsWith("{")
                        ? Json.parse(text, "answer").path("error").asText("")
                        : "";
            } catch (IOException | UserErrorException e) {
                return "";
            }
        }
        return message.isEmpty() ? "" : " (" + Reasons.oneLine(message) + ")";
    }
}
