package org.finetune4j.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.http.Context;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.finetune4j.Json;
import org.finetune4j.generate.GenerationListener;
import org.finetune4j.generate.Rollout;
import org.finetune4j.generate.TokenLogprob;
import org.jspecify.annotations.Nullable;

/**
 * An answer that is sent while it grows, as server-sent events. The computing thread only puts pieces down here; the request's own thread
 * sends them, so that a slow client holds up nobody else.
 */
final class AnswerStream {

    /** A piece of text, or a token with its log-probability, or neither when only the waiting is to end. */
    private record Piece(
            int choice, @Nullable String text, @Nullable TokenLogprob token) {}

    private static final Piece WAKE = new Piece(-1, null, null);

    private final Context ctx;
    private final AnswerRequest request;
    private final AnswerForm form;
    private final ServerMetrics metrics;
    private final String id;
    private final long created;
    private final BlockingQueue<Piece> pieces = new LinkedBlockingQueue<>();
    private final List<Choice> choices = new ArrayList<>();
    private boolean begun;
    private final long arrival;
    private boolean first = true;

    private static final class Choice {
        private final List<TokenLogprob> logprobs = new ArrayList<>();
        private final StringBuilder text = new StringBuilder();
        private int sent;
        private int offset;
        private long last;
    }

    AnswerStream(Context ctx, AnswerRequest request, ServerMetrics metrics, long arrival) {
        this.ctx = ctx;
        this.request = request;
        this.form = request.form();
        this.metrics = metrics;
        this.id = Identifiers.next(form.idPrefix());
        this.created = Answering.now();
        this.arrival = arrival;
        for (int i = 0; i < request.choices(); i++) {
            choices.add(new Choice());
        }
    }

    /** Hears the answers of one prompt, the first of which has this number among all. */
    GenerationListener listener(int firstChoice) {
        return new GenerationListener() {
            @Override
            public void onLogprob(int answer, TokenLogprob token) {
                pieces.add(new Piece(firstChoice + answer, null, token));
            }

            @Override
            public void onText(int answer, String piece) {
                pieces.add(new Piece(firstChoice + answer, piece, null));
            }
        };
    }

    boolean hasBegun() {
        return begun;
    }

    boolean hasPieces() {
        return !pieces.isEmpty();
    }

    /** Ends the waiting for pieces: there are no more. */
    void wake() {
        pieces.add(WAKE);
    }

    /** Sends what there is, after waiting for it. */
    void forward(long millis) throws InterruptedException {
        Piece piece = pieces.poll(millis, TimeUnit.MILLISECONDS);
        boolean sent = false;
        while (piece != null) {
            sent |= take(piece);
            piece = pieces.poll();
        }
        if (sent) {
            flush();
        }
    }

    private boolean take(Piece piece) {
        if (piece.choice < 0) {
            return false;
        }
        Choice choice = choices.get(piece.choice);
        if (piece.token != null) {
            if (!Answering.isStop(request, piece.token.token())) {
                choice.logprobs.add(piece.token);
            }
            return false;
        }
        String text = piece.text == null ? "" : piece.text;
        measure(choice);
        choice.text.append(text);
        int end = form.sendable(choice.text);
        if (end <= choice.sent) {
            return false;
        }
        begin();
        String more = choice.text.substring(choice.sent, end);
        choice.sent = end;
        send(piece.choice, node -> choice.offset = form.piece(node, more, choice.offset, takenLogprobs(choice)));
        return true;
    }

    /** The first piece of all since the request came, others since the one before of the same answer. */
    private void measure(Choice choice) {
        long now = System.nanoTime();
        if (first) {
            metrics.firstToken(now - arrival);
            first = false;
        } else if (choice.last != 0) {
            metrics.nextToken(now - choice.last);
        }
        choice.last = now;
    }

    private @Nullable List<TokenLogprob> takenLogprobs(Choice choice) {
        if (request.options().logprobs() < 0) {
            return null;
        }
        List<TokenLogprob> taken = List.copyOf(choice.logprobs);
        choice.logprobs.clear();
        return taken;
    }

    /** Sends the ends of all answers. */
    void end(List<List<Rollout>> rollouts, Usage usage) {
        begin();
        int number = 0;
        for (List<Rollout> answers : rollouts) {
            for (Rollout rollout : answers) {
                Choice choice = choices.get(number);
                if (!choice.logprobs.isEmpty()) {
                    send(number, node -> form.piece(node, "", choice.offset, takenLogprobs(choice)));
                }
                send(number, node -> form.end(node, rollout.text(), choice.sent, Answering.finishReason(rollout)));
                number++;
            }
        }
        if (request.includeUsage()) {
            ObjectNode root = Answering.head(request, id, form.pieceObject(), created);
            root.putArray("choices");
            root.set("usage", usage.json());
            write(Json.write(root));
        }
        write("[DONE]");
        flush();
    }

    /** Says that the answer ends here, and why. */
    void fail(ApiException failure) {
        write(failure.body());
        flush();
    }

    private void begin() {
        if (begun) {
            return;
        }
        begun = true;
        ctx.res().setContentType("text/event-stream; charset=utf-8");
        ctx.res().setHeader("Cache-Control", "no-cache");
        ctx.res().setHeader("X-Accel-Buffering", "no");
        for (int number = 0; number < choices.size(); number++) {
            ObjectNode choice = Json.object();
            choice.put("index", number);
            if (form.begin(choice)) {
                write(choice);
            }
        }
    }

    /** Fills in a choice. */
    private interface Filling {
        void fill(ObjectNode choice);
    }

    private void send(int number, Filling filling) {
        ObjectNode choice = Json.object();
        choice.put("index", number);
        filling.fill(choice);
        write(choice);
    }

    private void write(ObjectNode choice) {
        ObjectNode root = Answering.head(request, id, form.pieceObject(), created);
        root.putArray("choices").add(choice);
        if (request.includeUsage()) {
            root.putNull("usage");
        }
        write(Json.write(root));
    }

    private void write(String event) {
        try {
            out().write(("data: " + event + "\n\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new ClientGoneException(e);
        }
    }

    private void flush() {
        try {
            out().flush();
        } catch (IOException e) {
            throw new ClientGoneException(e);
        }
    }

    private OutputStream out() throws IOException {
        return ctx.res().getOutputStream();
    }
}
