package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.cli.quickstart.EmbeddedModel;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraInitialization;
import org.finetune4j.serve.ModelServer;
import org.finetune4j.serve.ServerLimits;
import org.finetune4j.strategy.AdapterSet;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures a server by asking it over HTTP. */
@Command(
        name = "serve",
        mixinStandardHelpOptions = true,
        description =
                "Measures a server over HTTP: switching and reading adapters, tokens a second with many adapters and"
                        + " clients, waiting for tokens. Starts one, with random adapters, unless --url names one.")
final class BenchServeCommand implements Callable<Integer> {

    @Option(names = "--model", paramLabel = "DIR", description = "Model directory (default: the quick start's model).")
    private @Nullable Path modelDirectory;

    @Option(
            names = "--url",
            paramLabel = "URL",
            description =
                    "A server that runs, of any maker, in place of one that is started; with the adapters it offers.")
    private @Nullable URI url;

    @Option(names = "--api-key", paramLabel = "KEY", description = "What --url asks for.")
    private @Nullable String key;

    @Option(
            names = "--adapters",
            split = ",",
            defaultValue = "1,10,100,1000",
            paramLabel = "N",
            description = "Numbers of adapters (default: ${DEFAULT-VALUE}); 0: none.")
    private List<Integer> counts;

    @Option(names = "--rank", defaultValue = "8", description = "Of the adapters (default: ${DEFAULT-VALUE}).")
    private int rank;

    @Option(
            names = "--target-modules",
            split = ",",
            defaultValue = "q_proj,v_proj",
            paramLabel = "NAME",
            description = "Layers of the adapters; all-linear for all (default: ${DEFAULT-VALUE}, as PEFT has it).")
    private List<String> targets;

    @Option(names = "--clients", defaultValue = "8", description = "Who ask at once (default: ${DEFAULT-VALUE}).")
    private int clients;

    @Option(names = "--requests", defaultValue = "64", description = "Answers a figure (default: ${DEFAULT-VALUE}).")
    private int requests;

    @Option(names = "--new-tokens", defaultValue = "32", description = "Tokens an answer (default: ${DEFAULT-VALUE}).")
    private int newTokens;

    @Option(
            names = "--rounds",
            defaultValue = "3",
            description = "Times after one that is not counted (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(names = "--switches", defaultValue = "200", description = "Switches to time (default: ${DEFAULT-VALUE}).")
    private int switches;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() {
        if (rank < 1 || clients < 2 || requests < 1 || newTokens < 2 || rounds < 1 || switches < 1) {
            throw new UserErrorException("bench serve needs --clients and --new-tokens of two at least, and --rank,"
                    + " --requests, --rounds and --switches above 0");
        }
        if (counts.stream().anyMatch(count -> count < 0 || count > 100_000)) {
            throw new UserErrorException("--adapters must be from 0 to 100000: " + counts);
        }
        if (url != null && modelDirectory != null) {
            throw new UserErrorException("bench serve takes --model or --url, not both");
        }
        ObjectNode result = Json.object();
        if (url != null) {
            measure(url, result);
        } else {
            start(result);
        }
        System.out.println(json ? Json.write(result) : Json.writePretty(result));
        return 0;
    }

    private void start(ObjectNode result) {
        Path directory = AtomicFiles.temporaryDirectory("finetune4j-bench");
        try {
            Path base = modelDirectory == null ? EmbeddedModel.unpack(directory.resolve("model")) : modelDirectory;
            int most = counts.stream().mapToInt(count -> count).max().orElse(0);
            Path adapters = Files.createDirectories(directory.resolve("adapters"));
            try (CausalLM model = CausalLM.load(base)) {
                long bytes = most == 0 ? 0 : write(model, directory.resolve("written"), adapters, most);
                ServerLimits limits = ServerLimits.defaults();
                limits = limits.withAdapterBytes(Math.max(limits.adapterBytes(), 2 * bytes * most));
                try (ModelServer server = ModelServer.builder(model)
                        .port(0)
                        .adapters(adapters)
                        .offerAll(true)
                        .rehearse(true)
                        .limits(limits)
                        .start()) {
                    measure(server.address(), result);
                }
            }
        } catch (IOException e) {
            throw new UserErrorException("cannot write adapters below " + directory + ": " + e.getMessage(), e);
        } finally {
            AtomicFiles.deleteTemporary(directory);
        }
    }

    /** Random adapters that share their files and nothing else; gives the bytes of one. */
    private long write(CausalLM model, Path written, Path folder, int count) throws IOException {
        try (AdapterSet set = AdapterSet.of(model)) {
            set.add(
                    "one",
                    Lora.builder()
                            .rank(rank)
                            .alpha(2 * rank)
                            .initialization(LoraInitialization.RANDOM)
                            .targetModules(targets.toArray(String[]::new))
                            .build());
            set.save(written);
        }
        List<Path> files;
        try (Stream<Path> all = Files.list(written.resolve("one"))) {
            files = all.filter(Files::isRegularFile).toList();
        }
        long bytes = 0;
        for (Path file : files) {
            bytes += Files.size(file);
        }
        for (int number = 0; number < count; number++) {
            Path adapter = Files.createDirectory(folder.resolve(String.format(Locale.ROOT, "adapter-%05d", number)));
            for (Path file : files) {
                Files.createLink(adapter.resolve(file.getFileName()), file);
            }
        }
        return bytes;
    }

    private void measure(URI address, ObjectNode result) {
        ServeClient client = new ServeClient(address, key);
        ServeMeasurement measurement =
                new ServeMeasurement(client, new ServeMeasurement.Size(requests, newTokens, clients, rounds));
        result.put("requests", requests);
        result.put("new_tokens", newTokens);
        result.put("adapters_offered", measurement.adapters());
        result.set("throughput", measurement.concurrency());
        ObjectNode waiting = result.putObject("latency");
        waiting.set("one_client", measurement.waiting(1));
        waiting.set("all_clients", measurement.waiting(clients));
        List<Integer> possible = counts.stream()
                .filter(count -> count > 0 && count <= measurement.adapters())
                .toList();
        if (measurement.adapters() > 1 && !possible.isEmpty()) {
            result.set("load_from_disk", measurement.loading(Math.max(switches, 10)));
            result.set("switch", measurement.switching(switches));
            ObjectNode adapters = result.putObject("adapters");
            for (ServeMeasurement.Popularity popularity : ServeMeasurement.Popularity.values()) {
                adapters.set(
                        popularity == ServeMeasurement.Popularity.UNIFORM ? "uniform" : "skewed",
                        measurement.popularity(possible, popularity));
            }
        }
        Double resident = client.metric("finetune_memory_resident_bytes");
        if (resident != null) {
            result.put("resident_mb", Math.round(resident / (1 << 20)));
        }
    }
}
