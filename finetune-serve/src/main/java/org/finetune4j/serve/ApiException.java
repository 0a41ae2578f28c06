package org.finetune4j.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.jspecify.annotations.Nullable;

/** An answer that is an error, in OpenAI's form. */
final class ApiException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final int status;
    private final String type;
    private final @Nullable String param;
    private final @Nullable String code;
    private final int retryAfterSeconds;

    private ApiException(
            int status,
            String type,
            @Nullable String param,
            @Nullable String code,
            int retryAfterSeconds,
            String message) {
        super(Reasons.line(message));
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = code;
        this.retryAfterSeconds = retryAfterSeconds;
    }

    /** A request that cannot be answered as it is. */
    static ApiException invalid(@Nullable String param, String message) {
        return invalid(param, null, message);
    }

    /** A request that cannot be answered as it is, for a reason that programs know. */
    static ApiException invalid(@Nullable String param, @Nullable String code, String message) {
        return new ApiException(400, "invalid_request_error", param, code, 0, message);
    }

    /** A field that would change the answer in a way that is not implemented. */
    static ApiException unsupported(String param, String message) {
        return invalid(param, "unsupported_parameter", message);
    }

    static ApiException notFound(@Nullable String param, String code, String message) {
        return new ApiException(404, "invalid_request_error", param, code, 0, message);
    }

    static ApiException wrongKey() {
        return new ApiException(
                401,
                "invalid_request_error",
                null,
                "invalid_api_key",
                0,
                "no valid API key: send one as 'Authorization: Bearer KEY'");
    }

    /** Too much is asked for at once. */
    static ApiException busy(int retryAfterSeconds, String message) {
        return new ApiException(429, "rate_limit_error", null, "rate_limit_exceeded", retryAfterSeconds, message);
    }

    static ApiException unavailable(String message) {
        return new ApiException(503, "server_error", null, "unavailable", 1, message);
    }

    static ApiException timeout(String message) {
        return new ApiException(504, "server_error", null, "timeout", 0, message);
    }

    static ApiException internal(String message) {
        return new ApiException(500, "server_error", null, "internal_error", 0, message);
    }

    /** Any other status of HTTP, such as 413. */
    static ApiException ofStatus(int status, String message) {
        String type = status >= 500 ? "server_error" : "invalid_request_error";
        return new ApiException(status, type, null, null, 0, message);
    }

    int status() {
        return status;
    }

    int retryAfterSeconds() {
        return retryAfterSeconds;
    }

    /** {@code {"error": {"message", "type", "param", "code"}}} */
    String body() {
        ObjectNode root = Json.object();
        ObjectNode error = root.putObject("error");
        error.put("message", getMessage());
        error.put("type", type);
        error.put("param", param);
        error.put("code", code);
        return Json.write(root);
    }
}
