package org.finetune4j.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.jspecify.annotations.Nullable;

/**
 * An OpenAI-compatible service: one base model, many adapters, all answers in one batch whose rows come and go.
 *
 * <pre>{@code
 * try (CausalLM model = CausalLM.load(Path.of("models/SmolLM2-135M"));
 *         ModelServer server = ModelServer.builder(model).adapters(Path.of("adapters")).port(8000).start()) {
 *     System.out.println(server.address());
 *     Thread.currentThread().join();
 * }
 * }</pre>
 */
public final class ModelServer implements AutoCloseable {

    private final ServedModel served;
    private final ServerLimits limits;
    private final ServerMetrics metrics = new ServerMetrics();
    private final Dispatcher dispatcher;
    private final AdapterStore adapters;
    private final RequestReader reader;
    private final Answering answering;
    private final HttpFront http;
    private final @Nullable RunsFolder runs;

    /** A permit for every request that runs or waits. */
    private final Semaphore room;

    private final int mostRequests;
    private final long started = Answering.now();
    private volatile boolean stopping;
    private boolean closed;

    private ModelServer(Builder builder) {
        this.limits = builder.limits;
        this.served = new ServedModel(builder.model, builder.modelName());
        this.mostRequests = limits.maxRows() + limits.maxQueued();
        this.room = new Semaphore(mostRequests);
        AdapterFolder folder = builder.adapters == null ? null : new AdapterFolder(builder.adapters);
        this.adapters = new AdapterStore(builder.model, served.name(), folder, limits.adapterBytes(), metrics);
        this.runs = builder.runs == null ? null : new RunsFolder(builder.runs);
        if (builder.offerAll) {
            adapters.offerAll();
        }
        this.dispatcher = new Dispatcher(builder.model, limits, builder.keys.tenants(), metrics);
        this.reader = new RequestReader(served, limits);
        this.answering = new Answering(dispatcher, metrics);
        this.http =
                new HttpFront(builder.host, builder.port, mostRequests, limits, builder.keys, metrics, this::isReady);
        metrics.gauge("requests.running", "requests that run or wait", () -> mostRequests - room.availablePermits());
        routes();
        try {
            http.start();
            if (builder.rehearse) {
                adapters.rehearse();
            }
        } catch (RuntimeException e) {
            dispatcher.close();
            adapters.close();
            throw e;
        }
    }

    private void routes() {
        http.get("/v1/models", "models", this::listModels);
        http.get("/v1/models/<name>", "models", this::showModel);
        http.post("/v1/completions", "completions", (call, body) -> answer(call, body, false));
        http.post("/v1/chat/completions", "chat", (call, body) -> answer(call, body, true));
        http.get("/v1/adapters", "adapters", this::listAdapters);
        http.post("/v1/adapters", "adapters", this::loadAdapter);
        http.delete("/v1/adapters/<name>", "adapters", this::unloadAdapter);
        RunsFolder folder = runs;
        if (folder != null) {
            http.get("/v1/runs", "runs", call -> call.answer(folder.list()));
            http.get(
                    "/v1/runs/<name>",
                    "runs",
                    call -> call.answer(folder.run(call.context().pathParam("name"))));
        }
        http.text("/metrics", "text/plain; version=0.0.4; charset=utf-8", metrics::scrape);
        http.page();
    }

    /**
     * A server for a model.
     *
     * @param model with a tokenizer and without an adapter; stays the caller's
     * @return a builder
     */
    public static Builder builder(CausalLM model) {
        return new Builder(Objects.requireNonNull(model, "model"));
    }

    private boolean isReady() {
        return !stopping;
    }

    private void answer(HttpFront.Call call, byte[] body, boolean chat) {
        if (stopping) {
            throw ApiException.unavailable("the server is being stopped");
        }
        if (!room.tryAcquire()) {
            metrics.refused();
            throw ApiException.busy(1, mostRequests + " requests run or wait already: ask again later");
        }
        call.whenSent(room::release); // not before: whoever stops the server waits for that
        AdapterStore.Lease lease = null;
        boolean handedOver = false;
        try {
            long deadline = call.arrival() + limits.requestTimeout().toNanos();
            RequestFields fields = RequestFields.parse(body);
            String asked = fields.text("model");
            String name = asked == null ? served.name() : asked;
            if (!name.equals(served.name())) {
                lease = adapters.acquire(name, deadline);
            }
            AnswerRequest request = chat
                    ? reader.chat(
                            fields,
                            name,
                            lease == null ? Optional.empty() : lease.adapter().template())
                    : reader.completion(fields, name);
            handedOver = true;
            answering.answer(call.context(), call.tenant(), request, lease, call.arrival(), deadline);
        } catch (IllegalArgumentException e) { // options that do not go together
            throw ApiException.invalid(null, String.valueOf(e.getMessage()));
        } finally {
            if (lease != null && !handedOver) {
                lease.close();
            }
        }
    }

    private void listModels(HttpFront.Call call) {
        ObjectNode root = Json.object();
        root.put("object", "list");
        ArrayNode data = root.putArray("data");
        describe(data.addObject(), served.name(), null);
        adapters.list().forEach(adapter -> describe(data.addObject(), adapter.name(), served.name()));
        call.answer(root);
    }

    private void showModel(HttpFront.Call call) {
        String name = call.context().pathParam("name");
        boolean base = name.equals(served.name());
        if (!base && !adapters.knows(name)) {
            throw adapters.unknown(name, "model");
        }
        ObjectNode root = Json.object();
        describe(root, name, base ? null : served.name());
        call.answer(root);
    }

    private void describe(ObjectNode node, String name, @Nullable String parent) {
        node.put("id", name);
        node.put("object", "model");
        node.put("created", started);
        node.put("owned_by", "finetune4j");
        if (parent == null) {
            node.put("max_model_len", served.positions());
        } else {
            node.put("parent", parent);
        }
    }

    private void listAdapters(HttpFront.Call call) {
        ObjectNode root = Json.object();
        root.put("object", "list");
        ArrayNode data = root.putArray("data");
        adapters.list().forEach(adapter -> describe(data.addObject(), adapter));
        call.answer(root);
    }

    private void describe(ObjectNode node, AdapterStore.Description adapter) {
        node.put("id", adapter.name());
        node.put("object", "adapter");
        node.put("name", adapter.name());
        node.put("path", adapter.path());
        node.put("parent", served.name());
        node.put("loaded", adapter.loaded());
        node.put("bytes", adapter.bytes());
    }

    private void loadAdapter(HttpFront.Call call, byte[] body) {
        RequestFields fields = RequestFields.parse(body);
        String name = fields.requiredText("name");
        String path = fields.requiredText("path");
        ObjectNode root = Json.object();
        describe(
                root,
                adapters.load(
                        name, path, call.arrival() + limits.requestTimeout().toNanos()));
        call.answer(root);
    }

    private void unloadAdapter(HttpFront.Call call) {
        String name = call.context().pathParam("name");
        adapters.unload(name);
        ObjectNode root = Json.object();
        root.put("id", name);
        root.put("object", "adapter");
        root.put("deleted", true);
        call.answer(root);
    }

    /** {@return where it listens: the port is a real one, whatever was asked for} */
    public int port() {
        return http.port();
    }

    /** {@return the address to ask, such as {@code http://127.0.0.1:8000}} */
    public URI address() {
        return http.address();
    }

    /**
     * Whether neither model nor adapter has a form of conversation: those are asked in ChatML, which the model may not know.
     *
     * @return whether the model came without a chat template
     */
    public boolean lacksChatTemplate() {
        return !served.hasTemplate();
    }

    /**
     * Takes no more requests, answers those that run or wait, and frees what the server has. It takes no longer than a request may
     * take: what is not done then ends. Closing twice is fine.
     */
    @Override
    public void close() {
        stopping = true;
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            try {
                if (!room.tryAcquire(mostRequests, limits.requestTimeout().toMillis(), TimeUnit.MILLISECONDS)) {
                    dispatcher.cancelAll();
                }
            } catch (InterruptedException e) {
                dispatcher.cancelAll();
                stop();
                Thread.currentThread().interrupt(); // not before: what stops would give up
                return;
            }
            stop();
        }
    }

    private void stop() {
        try {
            http.stop();
        } finally {
            dispatcher.close();
            adapters.close();
            metrics.close();
        }
    }

    /** Collects what a server needs. */
    public static final class Builder {

        private final CausalLM model;
        private @Nullable String name;
        private @Nullable Path adapters;
        private boolean offerAll;
        private boolean rehearse;
        private @Nullable Path runs;
        private String host = "127.0.0.1";
        private int port = 8000;
        private ApiKeys keys = ApiKeys.none();
        private ServerLimits limits = ServerLimits.defaults();

        private Builder(CausalLM model) {
            this.model = model;
        }

        /**
         * Names the base model.
         *
         * @param value what requests call it; the name of its directory unless set
         * @return this builder
         */
        public Builder name(String value) {
            name = Objects.requireNonNull(value, "name");
            return this;
        }

        /**
         * Lets adapters be loaded.
         *
         * @param folder the only one that they may come from
         * @return this builder
         */
        public Builder adapters(Path folder) {
            adapters = Objects.requireNonNull(folder, "folder");
            return this;
        }

        /**
         * Offers every adapter of the folder under its path from the start; each is read when somebody asks for it.
         *
         * @param value whether to do so
         * @return this builder
         */
        public Builder offerAll(boolean value) {
            offerAll = value;
            return this;
        }

        /**
         * Reads one of the folder's adapters some times over when the server has started, beside what it answers, so that who
         * asks for one first does not wait for what the virtual machine does once. The model is the server's own from then on.
         *
         * @param value whether to do so
         * @return this builder
         */
        public Builder rehearse(boolean value) {
            rehearse = value;
            return this;
        }

        /**
         * Shows trainings on the page.
         *
         * @param folder below which trainers write their logs
         * @return this builder
         */
        public Builder runs(Path folder) {
            runs = Objects.requireNonNull(folder, "folder");
            return this;
        }

        /**
         * Sets the address to listen on.
         *
         * @param value a name or address of this machine; 127.0.0.1 unless set
         * @return this builder
         */
        public Builder host(String value) {
            host = Objects.requireNonNull(value, "host");
            return this;
        }

        /**
         * Sets the port.
         *
         * @param value the port, 0 for any that is free; 8000 unless set
         * @return this builder
         */
        public Builder port(int value) {
            port = value;
            return this;
        }

        /**
         * Sets who may ask.
         *
         * @param value the keys; with none everybody may
         * @return this builder
         */
        public Builder apiKeys(ApiKeys value) {
            keys = Objects.requireNonNull(value, "keys");
            return this;
        }

        /**
         * Sets what the server may use.
         *
         * @param value the limits
         * @return this builder
         */
        public Builder limits(ServerLimits value) {
            limits = Objects.requireNonNull(value, "limits");
            return this;
        }

        private String modelName() {
            return name == null ? model.shortName() : name;
        }

        /**
         * Starts the server.
         *
         * @return the server, which can answer and which the caller closes, before the model
         * @throws UserErrorException when the folder of adapters cannot be used, the model has no tokenizer, or the port is taken
         */
        public ModelServer start() {
            return new ModelServer(this);
        }
    }
}
