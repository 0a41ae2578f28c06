package org.finetune4j.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.http.Context;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.FinishReason;
import org.finetune4j.generate.GenerationListener;
import org.finetune4j.generate.GenerationRequest;
import org.finetune4j.generate.Rollout;
import org.finetune4j.generate.TokenLogprob;
import org.finetune4j.generate.grammar.GrammarException;
import org.finetune4j.nn.RowAdapters;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Has one request answered: whole, or by an {@link AnswerStream}. */
final class Answering {

    private static final Logger LOG = LoggerFactory.getLogger(Answering.class);

    /** How often a client that waits is looked after. */
    private static final long LOOK_MILLIS = 100;

    /**
     * Whose keys and values a request may begin with: those of the same tenant, since what comes sooner was asked before, and of the same
     * version of the adapter.
     */
    private record Sharing(String tenant, @Nullable Object adapter) {}

    private final Dispatcher dispatcher;
    private final ServerMetrics metrics;

    Answering(Dispatcher dispatcher, ServerMetrics metrics) {
        this.dispatcher = dispatcher;
        this.metrics = metrics;
    }

    /**
     * Answers a request.
     *
     * @param lease the adapter it uses, which is given back when nothing is computed any more; null for the base
     * @param arrival when it came, in {@link System#nanoTime()}
     * @param deadline when it must be answered
     */
    void answer(
            Context ctx,
            String tenant,
            AnswerRequest request,
            AdapterStore.@Nullable Lease lease,
            long arrival,
            long deadline) {
        AnswerStream stream = request.stream() ? new AnswerStream(ctx, request, metrics, arrival) : null;
        List<Ticket> tickets;
        try {
            tickets = dispatcher.submit(tenant, requests(tenant, request, lease, stream));
        } catch (RuntimeException e) {
            if (lease != null) {
                lease.close();
            }
            throw e;
        }
        CompletableFuture<Void> all = CompletableFuture.allOf(
                        tickets.stream().map(Ticket::result).toArray(CompletableFuture<?>[]::new))
                .whenComplete((nothing, failure) -> {
                    if (lease != null) {
                        lease.close();
                    }
                    if (stream != null) {
                        stream.wake();
                    }
                });
        try {
            ClientWatch watch = new ClientWatch(ctx.req());
            await(all, stream, watch, deadline);
            List<List<Rollout>> rollouts = new ArrayList<>();
            for (Ticket ticket : tickets) {
                rollouts.add(finished(ticket));
            }
            int tokens = rollouts.stream()
                    .flatMap(List::stream)
                    .mapToInt(rollout -> rollout.tokens().length)
                    .sum();
            Usage usage = new Usage(
                    request.promptTokens(),
                    tickets.stream().mapToInt(Ticket::cachedTokens).sum(),
                    tokens);
            metrics.used(usage);
            if (stream == null) {
                if (watch.hasLostInput()) {
                    ctx.header("Connection", "close");
                }
                ctx.contentType("application/json").result(Json.write(whole(request, rollouts, usage)));
            } else {
                stream.end(rollouts, usage);
            }
        } catch (ClientGoneException e) {
            metrics.abandoned();
            throw e;
        } catch (ApiException e) {
            if (stream == null || !stream.hasBegun()) {
                throw e;
            }
            stream.fail(e);
        } finally {
            tickets.forEach(dispatcher::cancel); // which does nothing to what is done
        }
    }

    private static List<GenerationRequest> requests(
            String tenant, AnswerRequest request, AdapterStore.@Nullable Lease lease, @Nullable AnswerStream stream) {
        RowAdapters rows = lease == null ? null : lease.adapter().adapter().rows();
        Sharing sharing =
                new Sharing(tenant, lease == null ? null : lease.adapter().identity());
        List<GenerationRequest> requests = new ArrayList<>();
        int first = 0;
        for (int[] prompt : request.prompts()) {
            GenerationListener listener = stream == null ? GenerationListener.NONE : stream.listener(first);
            requests.add(new GenerationRequest(
                    prompt, request.options(), 0, rows, sharing, request.form().continuesPrompt(), listener));
            first += request.options().numReturnSequences();
        }
        return requests;
    }

    private static void await(
            CompletableFuture<Void> all, @Nullable AnswerStream stream, ClientWatch watch, long deadline) {
        while (!all.isDone() || (stream != null && stream.hasPieces())) {
            if (System.nanoTime() > deadline) {
                throw ApiException.timeout("the answer took longer than a request may take");
            }
            try {
                if (stream != null) {
                    stream.forward(LOOK_MILLIS);
                } else {
                    all.get(LOOK_MILLIS, TimeUnit.MILLISECONDS);
                }
            } catch (ExecutionException e) {
                return; // what failed is said by its ticket
            } catch (TimeoutException e) {
                // then the client is looked after
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw ApiException.unavailable("the server is being stopped");
            }
            if (!all.isDone() && (stream == null || !stream.hasBegun()) && watch.isGone()) {
                throw new ClientGoneException();
            }
        }
    }

    /** The answers of a prompt, all of which came to their end. */
    private static List<Rollout> finished(Ticket ticket) {
        List<Rollout> rollouts;
        try {
            rollouts = ticket.result().get();
        } catch (CancellationException e) {
            throw ApiException.unavailable("the server is being stopped");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ApiException.unavailable("the server is being stopped");
        } catch (ExecutionException e) {
            throw failure(e.getCause() == null ? e : e.getCause());
        }
        for (Rollout rollout : rollouts) {
            RuntimeException failure = rollout.failure();
            if (failure instanceof GrammarException ofRequest) {
                throw failure(ofRequest);
            }
            if (failure != null) {
                LOG.warn("an answer failed", failure);
                throw ApiException.internal(Reasons.of(failure));
            }
            if (rollout.finishReason() == FinishReason.CANCELLED) {
                throw ApiException.unavailable("the server is being stopped");
            }
        }
        return rollouts;
    }

    private static ApiException failure(Throwable cause) {
        if (cause instanceof ApiException known) {
            return known;
        }
        if (cause instanceof UserErrorException user) {
            return ApiException.invalid(null, String.valueOf(user.getMessage()));
        }
        if (cause instanceof CancellationException) {
            return ApiException.unavailable("the server is being stopped");
        }
        LOG.error("a request failed", cause);
        return ApiException.internal("the answer failed: " + Reasons.of(cause));
    }

    private static ObjectNode whole(AnswerRequest request, List<List<Rollout>> rollouts, Usage usage) {
        AnswerForm form = request.form();
        ObjectNode root = head(request, Identifiers.next(form.idPrefix()), form.object(), now());
        ArrayNode choices = root.putArray("choices");
        for (List<Rollout> answers : rollouts) {
            for (Rollout rollout : answers) {
                ObjectNode choice = choices.addObject();
                choice.put("index", choices.size() - 1);
                List<TokenLogprob> logprobs = request.options().logprobs() < 0 ? null : logprobs(request, rollout);
                form.choice(choice, rollout.text(), finishReason(rollout), logprobs);
            }
        }
        root.set("usage", usage.json());
        return root;
    }

    static ObjectNode head(AnswerRequest request, String id, String object, long created) {
        ObjectNode root = Json.object();
        root.put("id", id);
        root.put("object", object);
        root.put("created", created);
        root.put("model", request.model());
        return root;
    }

    static long now() {
        return System.currentTimeMillis() / 1000;
    }

    static String finishReason(Rollout rollout) {
        return rollout.finishReason() == FinishReason.LENGTH ? "length" : "stop";
    }

    /** Of all tokens but the one that ended the text and is no part of it. */
    private static List<TokenLogprob> logprobs(AnswerRequest request, Rollout rollout) {
        List<TokenLogprob> all = new ArrayList<>();
        int[] tokens = rollout.tokens();
        for (int i = 0; i < tokens.length; i++) {
            if (!isStop(request, tokens[i])) {
                all.add(new TokenLogprob(
                        tokens[i],
                        rollout.logprobs()[i],
                        rollout.likeliest().isEmpty()
                                ? List.of()
                                : rollout.likeliest().get(i)));
            }
        }
        return all;
    }

    static boolean isStop(AnswerRequest request, int token) {
        return request.options().stopTokens() != null
                && request.options().stopTokens().contains(token);
    }
}
