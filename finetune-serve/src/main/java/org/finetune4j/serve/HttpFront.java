package org.finetune4j.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.Javalin;
import io.javalin.compression.CompressionStrategy;
import io.javalin.config.JavalinConfig;
import io.javalin.http.Context;
import io.javalin.http.Handler;
import java.io.IOException;
import java.io.InputStream;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.eclipse.jetty.ee10.servlet.ServletContextRequest;
import org.eclipse.jetty.http.HttpException;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The server's side of HTTP: who may ask, how large a body may be, what errors look like. */
final class HttpFront {

    /** So much of a body that is too large is read and dropped: who still sends when the connection ends may lose the answer. */
    private static final long DROPPED_BYTES = 8 << 20;

    private static final Logger LOG = LoggerFactory.getLogger(HttpFront.class);
    private static final String ANSWERED = "answered";

    /** A connection on which nothing moves for this long is closed. */
    private static final long IDLE_MILLIS = 30_000;

    /** The least that a client sends on average, in bytes a second: a slower one would hold up a thread for nothing. */
    private static final long SLOWEST_BODY = 512;

    /** Threads for health, metrics and requests that are refused, beside those of requests that run or wait. */
    private static final int SPARE_THREADS = 64;

    private static final int HEADER_BYTES = 16 << 10;

    /** A request with what is known about it. */
    record Call(Context context, String tenant, long arrival) {

        void answer(ObjectNode json) {
            context.contentType("application/json").result(Json.write(json));
        }

        /** Runs something when the last of the answer was sent, or cannot be. */
        void whenSent(Runnable action) {
            Request.addCompletionListener(
                    ServletContextRequest.getServletContextRequest(context.req()), failure -> action.run());
        }
    }

    /** Does what a request with a body asks for. */
    interface BodyAction {
        void run(Call call, byte[] body);
    }

    private interface Action {
        void run(Call call) throws IOException;
    }

    private final String host;
    private final boolean hearsThisMachineOnly;
    private final int port;
    private final int threads;
    private final ServerLimits limits;
    private final ApiKeys keys;
    private final ServerMetrics metrics;
    private final BooleanSupplier ready;
    private final List<Consumer<JavalinConfig>> routes = new ArrayList<>();
    private @Nullable Javalin javalin;
    private @Nullable ServerConnector connector;
    private int listened;

    HttpFront(
            String host,
            int port,
            int requests,
            ServerLimits limits,
            ApiKeys keys,
            ServerMetrics metrics,
            BooleanSupplier ready) {
        this.host = host;
        this.hearsThisMachineOnly = isLoopback(host);
        this.port = port;
        this.threads = requests + SPARE_THREADS;
        this.limits = limits;
        this.keys = keys;
        this.metrics = metrics;
        this.ready = ready;
    }

    void get(String path, String name, Consumer<Call> action) {
        routes.add(config -> config.routes.get(path, guarded(name, action::accept)));
    }

    void post(String path, String name, BodyAction action) {
        routes.add(config -> config.routes.post(path, guarded(name, call -> {
            requireOwnOrigin(call.context());
            action.run(call, body(call));
        })));
    }

    void delete(String path, String name, Consumer<Call> action) {
        routes.add(config -> config.routes.delete(path, guarded(name, call -> {
            requireOwnOrigin(call.context());
            action.accept(call);
        })));
    }

    /** What everybody may read. */
    void text(String path, String type, Supplier<String> text) {
        routes.add(config -> config.routes.get(path, ctx -> {
            ctx.attribute(ANSWERED, true);
            ctx.contentType(type).result(text.get());
        }));
    }

    /** The page for browsers. */
    void page() {
        routes.add(config -> StaticPage.addTo(config.routes));
    }

    private Handler guarded(String name, Action action) {
        return ctx -> {
            long arrival = System.nanoTime();
            try {
                requireOwnName(ctx);
                action.run(new Call(ctx, tenant(ctx), arrival));
                ctx.attribute(ANSWERED, true);
            } catch (ApiException e) {
                answer(ctx, e);
            } catch (ClientGoneException e) {
                ctx.attribute(ANSWERED, true);
                ctx.status(499);
            } catch (UserErrorException e) {
                answer(ctx, ApiException.invalid(null, String.valueOf(e.getMessage())));
            } catch (IOException | RuntimeException | StackOverflowError | OutOfMemoryError e) {
                answer(ctx, broken(e));
            } finally {
                metrics.request(name, ctx.statusCode(), System.nanoTime() - arrival);
            }
        };
    }

    /** What libraries threw: a client that is too slow or gone, or a mistake of ours. */
    private static ApiException broken(Throwable thrown) {
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof HttpException http && http.getCode() < 500) {
                return ApiException.ofStatus(http.getCode(), Reasons.of(cause));
            }
        }
        if (thrown instanceof IOException) {
            return ApiException.ofStatus(408, "the request did not arrive: " + Reasons.of(thrown));
        }
        LOG.error("a request failed", thrown);
        return ApiException.internal("the server failed: " + thrown.getClass().getSimpleName());
    }

    private static void answer(Context ctx, ApiException error) {
        ctx.attribute(ANSWERED, true);
        if (error.status() == 401) {
            ctx.header("WWW-Authenticate", "Bearer");
        }
        if (error.retryAfterSeconds() > 0) {
            ctx.header("Retry-After", String.valueOf(error.retryAfterSeconds()));
        }
        ctx.status(error.status()).contentType("application/json").result(error.body());
    }

    private String tenant(Context ctx) {
        if (keys.isEmpty()) {
            return "";
        }
        String header = ctx.header("Authorization");
        String bearer = "bearer ";
        if (header == null || !header.regionMatches(true, 0, bearer, 0, bearer.length())) {
            throw ApiException.wrongKey();
        }
        return keys.tenant(header.substring(bearer.length()).strip()).orElseThrow(ApiException::wrongKey);
    }

    /**
     * A name of somebody else's that is made to lead here (DNS rebinding) would be the own origin of their page: who needs no key because
     * only this machine is heard is asked by a name of this machine.
     */
    private void requireOwnName(Context ctx) {
        String name = ctx.req().getServerName();
        if (keys.isEmpty() && hearsThisMachineOnly && !LocalNames.contains(name)) {
            throw ApiException.ofStatus(
                    403,
                    "requests to '" + Reasons.excerpt(name) + "' are refused: a server without keys on " + host
                            + " answers to names of this machine; give it --api-keys, or let the proxy before it send its own Host");
        }
    }

    private static boolean isLoopback(String host) {
        InetAddress address = new InetSocketAddress(host, 0).getAddress();
        return address != null && address.isLoopbackAddress();
    }

    /** A page of somebody else's must not use a server that a browser can reach. */
    private static void requireOwnOrigin(Context ctx) {
        String origin = ctx.header("Origin");
        if (origin != null && !origin.replaceFirst("^[a-z]+://", "").equals(ctx.header("Host"))) {
            throw ApiException.ofStatus(403, "requests of pages from elsewhere are refused");
        }
    }

    private byte[] body(Call call) throws IOException {
        String encoding = call.context().header("Content-Encoding");
        if (encoding != null && !encoding.isBlank() && !encoding.strip().equalsIgnoreCase("identity")) {
            throw ApiException.ofStatus(
                    415, "Content-Encoding is '" + Reasons.excerpt(encoding) + "': bodies are read as they are");
        }
        long most = limits.maxBodyBytes();
        if (call.context().req().getContentLengthLong() > most) {
            throw tooLarge(call, most);
        }
        InputStream in = call.context().req().getInputStream();
        byte[] body = in.readNBytes((int) Math.min(Integer.MAX_VALUE - 8, most + 1));
        if (body.length > most) {
            throw tooLarge(call, most);
        }
        return body;
    }

    private static ApiException tooLarge(Call call, long most) throws IOException {
        call.context().header("Connection", "close"); // What is left of the body after this is not read.
        InputStream in = call.context().req().getInputStream();
        byte[] dropped = new byte[1 << 16];
        for (long read = 0, some = 0; read < DROPPED_BYTES && some >= 0; read += some) {
            some = in.read(dropped);
        }
        return ApiException.ofStatus(413, "the body may have " + most + " bytes");
    }

    void start() {
        Javalin created = Javalin.create(config -> {
            config.startup.showJavalinBanner = false;
            config.startup.showOldJavalinVersionWarning = false;
            config.startup.startupWatcherEnabled = false;
            config.http.compressionStrategy = CompressionStrategy.NONE;
            config.http.prefer405over404 = true;
            config.http.generateEtags = false;
            QueuedThreadPool pool = new QueuedThreadPool(threads, 8, 60_000);
            pool.setName("finetune4j-http");
            pool.setReservedThreads(0);
            config.jetty.threadPool = pool;
            config.jetty.modifyHttpConfiguration(HttpFront::configure);
            config.jetty.addConnector(this::connector);
            config.jetty.modifyServer(server -> {
                server.setErrorHandler(new JsonErrors());
                server.setStopTimeout(0);
            });
            config.routes.get("/health/live", ctx -> health(ctx, true));
            config.routes.get("/health/ready", ctx -> health(ctx, ready.getAsBoolean()));
            routes.forEach(route -> route.accept(config));
            for (int status : new int[] {400, 404, 405, 408, 413, 500}) {
                config.routes.error(status, HttpFront::otherError);
            }
        });
        javalin = created;
        try {
            created.start();
        } catch (RuntimeException e) {
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                if (cause instanceof BindException || cause instanceof java.nio.channels.UnresolvedAddressException) {
                    throw new UserErrorException("cannot listen on " + host + ":" + port + ": " + Reasons.of(cause), e);
                }
            }
            throw e;
        }
    }

    private static void health(Context ctx, boolean well) {
        ctx.attribute(ANSWERED, true);
        ctx.status(well ? 200 : 503)
                .contentType("application/json")
                .result(well ? "{\"status\":\"ok\"}" : "{\"status\":\"stopping\"}");
    }

    /** An error that the library answers with, such as a path that there is not. */
    private static void otherError(Context ctx) {
        if (ctx.attribute(ANSWERED) == null) {
            int status = ctx.statusCode();
            String what = ctx.method() + " " + Reasons.excerpt(ctx.path());
            answer(
                    ctx,
                    status == 404
                            ? ApiException.notFound(null, "not_found", "there is no " + what)
                            : ApiException.ofStatus(
                                    status, HttpStatus.getMessage(status).toLowerCase(Locale.ROOT) + ": " + what));
        }
    }

    private static void configure(HttpConfiguration http) {
        http.setSendServerVersion(false);
        http.setSendXPoweredBy(false);
        http.setRequestHeaderSize(HEADER_BYTES);
        http.setMinRequestDataRate(SLOWEST_BODY);
    }

    private ServerConnector connector(Server server, HttpConfiguration http) {
        ServerConnector made = new ServerConnector(server, 1, 2, new HttpConnectionFactory(http));
        made.setHost(host);
        made.setPort(port);
        made.setIdleTimeout(IDLE_MILLIS);
        made.setAcceptQueueSize(1024);
        connector = made;
        return made;
    }

    int port() {
        int local = Objects.requireNonNull(connector, "not started").getLocalPort();
        listened = local > 0 ? local : listened; // closed, it has none
        return listened;
    }

    URI address() {
        String shown = host.contains(":") ? "[" + host + "]" : host;
        return URI.create("http://" + shown + ":" + port());
    }

    void stop() {
        if (javalin != null) {
            javalin.stop();
        }
    }
}
