package org.finetune4j.serve;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.finetune4j.generate.GenerationHandle;
import org.finetune4j.generate.GenerationRequest;
import org.finetune4j.generate.Rollout;
import org.jspecify.annotations.Nullable;

/** A prompt that waits for its turn or is being answered. */
final class Ticket {

    private final String tenant;
    private final GenerationRequest request;
    private final CompletableFuture<List<Rollout>> result = new CompletableFuture<>();
    private @Nullable GenerationHandle handle;
    private volatile boolean cancelled;

    Ticket(String tenant, GenerationRequest request) {
        this.tenant = tenant;
        this.request = request;
    }

    String tenant() {
        return tenant;
    }

    GenerationRequest request() {
        return request;
    }

    /** The rows that its answers take. */
    int rows() {
        return request.options().numReturnSequences();
    }

    /** Completed when all answers have ended and nothing of them is computed any more. */
    CompletableFuture<List<Rollout>> result() {
        return result;
    }

    /** How many tokens of the prompt earlier requests had computed. */
    synchronized int cachedTokens() {
        return handle == null ? 0 : handle.cachedTokens();
    }

    boolean isCancelled() {
        return cancelled;
    }

    synchronized void cancel() {
        cancelled = true;
        if (handle != null) {
            handle.cancel();
        }
    }

    /** Told when the engine works on it. */
    synchronized void running(GenerationHandle submitted) {
        handle = submitted;
        if (cancelled) {
            submitted.cancel();
        }
    }
}
