package org.finetune4j.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.TestJson;

/** The small models that contracts are tried on, by name: those of the goldens, and one that is deep. */
public final class TinyModels {

    /** More layers than any checkpointed group, buffer or cache of the other tiny models sees. */
    public static final String DEEP = "llama-of-8-layers";

    private static final Path GOLDENS = Path.of("../finetune-core/src/test/resources/goldens/arch");
    private static final List<String> DROPOUTS =
            List.of("attention_dropout", "attn_pdrop", "resid_pdrop", "hidden_dropout", "dropout");

    /** Directories of goldens with another configuration, which this process deletes when it ends. */
    private static final Map<String, Path> CHANGED = new ConcurrentHashMap<>();

    private TinyModels() {}

    /** Loads a model. */
    public static CausalLM load(String name, LoadOptions options) {
        return name.equals(DEEP) ? initialize(deep(), options) : CausalLM.load(GOLDENS.resolve(name), options);
    }

    /** Loads a model whose own layers drop a third in training, wherever its architecture can. */
    public static CausalLM loadWithDropout(String name) {
        if (!name.equals(DEEP)) {
            return loadWithDropout(name, LoadOptions.defaults());
        }
        ObjectNode config = deep();
        DROPOUTS.forEach(key -> config.put(key, 0.3));
        return initialize(config, LoadOptions.defaults());
    }

    /** Loads a mixture of experts whose balance is part of its loss. */
    public static CausalLM loadWithExpertBalance(String name, LoadOptions options) {
        return loadChanged(name, options, config -> config.put("output_router_logits", true)
                .put("router_aux_loss_coef", 0.5));
    }

    /** Loads a model whose own layers drop a third in training, wherever its architecture can. */
    public static CausalLM loadWithDropout(String name, LoadOptions options) {
        return loadChanged(name, options, config -> DROPOUTS.forEach(key -> config.put(key, 0.3)));
    }

    private static CausalLM loadChanged(String name, LoadOptions options, Consumer<ObjectNode> change) {
        ObjectNode config = read(GOLDENS.resolve(name));
        change.accept(config);
        return CausalLM.load(CHANGED.computeIfAbsent(name + config, changed -> copy(name, config)), options);
    }

    private static Path copy(String name, ObjectNode config) {
        try {
            Path copy = Files.createTempDirectory(name);
            Runtime.getRuntime().addShutdownHook(new Thread(() -> AtomicFiles.deleteTree(copy)));
            try (Stream<Path> files = Files.list(GOLDENS.resolve(name))) {
                for (Path file : files.filter(TinyModels::isWeights).toList()) {
                    Files.copy(file, copy.resolve(file.getFileName()));
                }
            }
            Files.write(copy.resolve("config.json"), Json.bytes(config));
            return copy;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean isWeights(Path file) {
        return file.getFileName().toString().startsWith("model");
    }

    private static CausalLM initialize(ObjectNode config, LoadOptions options) {
        return CausalLM.initialize(ModelConfig.parse(config.toString(), DEEP), null, options, 5);
    }

    /** Values as far apart as those of the goldens, so that gradients are no rounding noise. */
    private static ObjectNode deep() {
        return read(GOLDENS.resolve("llama")).put("num_hidden_layers", 8).put("initializer_range", 0.2);
    }

    private static ObjectNode read(Path directory) {
        try {
            return (ObjectNode) TestJson.read(directory.resolve("config.json"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
