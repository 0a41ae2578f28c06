package org.finetune4j.cli;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.serve.ApiKeys;
import org.finetune4j.serve.ModelServer;
import org.finetune4j.serve.ServerLimits;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Answers requests until the process is asked to end. */
@Command(
        name = "serve",
        mixinStandardHelpOptions = true,
        description = "Answers requests in OpenAI's form; prints its address when it is ready.")
final class ServeCommand implements Callable<Integer> {

    @Mixin
    private ModelOptions model;

    @Option(
            names = "--adapters",
            paramLabel = "FOLDER",
            description = "The only folder that adapters may be loaded from, by POST /v1/adapters.")
    private @Nullable Path adapters;

    @Option(names = "--offer-all", description = "Offer every adapter of the folder under its path from the start.")
    private boolean offerAll;

    @Option(
            names = "--runs",
            paramLabel = "FOLDER",
            description = "Show the trainings that write below this folder on the page.")
    private @Nullable Path runs;

    @Option(
            names = "--host",
            defaultValue = "127.0.0.1",
            paramLabel = "NAME",
            description = "Address to listen on (default: ${DEFAULT-VALUE}).")
    private String host;

    @Option(
            names = "--port",
            defaultValue = "8000",
            paramLabel = "N",
            description = "Port to listen on; 0: any that is free (default: ${DEFAULT-VALUE}).")
    private int port;

    @Option(
            names = "--api-keys",
            paramLabel = "FILE",
            description = "Who may ask: the SHA-256 of a key and a tenant's name a line. Keys themselves may be in the"
                    + " environment variable FINETUNE_API_KEYS, separated by commas.")
    private @Nullable Path apiKeys;

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description = "What requests call the base (default: its directory).")
    private @Nullable String name;

    @Option(
            names = "--chat-template",
            paramLabel = "TEMPLATE",
            description =
                    "Another form of conversations: alpaca, chatml, llama3, ..., a file, or a directory that has one.")
    private @Nullable String template;

    @Option(names = "--max-rows", paramLabel = "N", description = "Answers that are computed at once (default: 32).")
    private @Nullable Integer maxRows;

    @Option(
            names = "--max-queued",
            paramLabel = "N",
            description = "Requests that wait; more get status 429 (default: 256).")
    private @Nullable Integer maxQueued;

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            description = "Tokens that one answer may have (default: as many as the model sees).")
    private @Nullable Integer maxTokens;

    @Option(names = "--cache-mib", paramLabel = "N", description = "Memory for keys and values (default: 2048).")
    private @Nullable Integer cacheMib;

    @Option(
            names = "--prefix-mib",
            paramLabel = "N",
            description =
                    "How much of --cache-mib may be kept for requests that begin as an earlier one of their tenant"
                            + " did; 0: nothing (default: 512).")
    private @Nullable Integer prefixMib;

    @Option(names = "--adapter-mib", paramLabel = "N", description = "Memory for adapters (default: 1024).")
    private @Nullable Integer adapterMib;

    @Option(names = "--max-body-kib", paramLabel = "N", description = "Largest body of a request (default: 4096).")
    private @Nullable Integer bodyKib;

    @Option(
            names = "--request-timeout",
            paramLabel = "SECONDS",
            description = "Longest time of a request (default: 600).")
    private @Nullable Integer timeoutSeconds;

    @Override
    public Integer call() throws InterruptedException {
        ServerLimits limits = limits();
        ApiKeys keys = apiKeys == null ? ApiKeys.none() : ApiKeys.read(apiKeys);
        String plain = System.getenv(ApiKeys.ENVIRONMENT);
        keys = plain == null ? keys : keys.and(ApiKeys.of(plain));
        if (port < 0 || port > 65_535) {
            throw new UserErrorException("--port must be from 0 to 65535: " + port);
        }
        CountDownLatch stop = new CountDownLatch(1);
        try (InterruptGuard guard = new InterruptGuard("stopping after the answers under way...", stop::countDown);
                CausalLM loaded = model.load()) {
            if (template != null) {
                loaded.useChatTemplate(ChatTemplate.named(template, loaded.directory()));
            }
            ModelServer.Builder builder = ModelServer.builder(loaded)
                    .host(host)
                    .port(port)
                    .apiKeys(keys)
                    .offerAll(offerAll)
                    .rehearse(true)
                    .limits(limits);
            if (name != null) {
                builder.name(name);
            }
            if (adapters != null) {
                builder.adapters(adapters);
            }
            if (runs != null) {
                builder.runs(runs);
            }
            try (ModelServer server = builder.start()) {
                if (server.lacksChatTemplate()) {
                    System.err.println(
                            "warning: the model has no chat template: conversations are put into ChatML, which"
                                    + " it may not know; --chat-template names another");
                }
                new PrintStream(System.out, true, StandardCharsets.UTF_8).println("ready: " + server.address());
                stop.await();
            }
        }
        return 0;
    }

    private ServerLimits limits() {
        ServerLimits limits = ServerLimits.defaults();
        limits = maxRows == null ? limits : limits.withMaxRows(positive("--max-rows", maxRows));
        limits = maxQueued == null ? limits : limits.withMaxQueued(positive("--max-queued", maxQueued));
        limits = maxTokens == null ? limits : limits.withMaxTokens(positive("--max-tokens", maxTokens));
        limits = cacheMib == null ? limits : limits.withCacheBytes((long) positive("--cache-mib", cacheMib) << 20);
        if (prefixMib != null && prefixMib < 0) {
            throw new UserErrorException("--prefix-mib cannot be negative: " + prefixMib);
        }
        limits = prefixMib == null ? limits : limits.withPrefixBytes((long) prefixMib << 20);
        limits = adapterMib == null
                ? limits
                : limits.withAdapterBytes((long) positive("--adapter-mib", adapterMib) << 20);
        limits = bodyKib == null ? limits : limits.withMaxBodyBytes((long) positive("--max-body-kib", bodyKib) << 10);
        return timeoutSeconds == null
                ? limits
                : limits.withRequestTimeout(Duration.ofSeconds(positive("--request-timeout", timeoutSeconds)));
    }

    private static int positive(String option, int value) {
        if (value < 1) {
            throw new UserErrorException(option + " must be positive: " + value);
        }
        return value;
    }
}
