package org.finetune4j.strategy;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.jspecify.annotations.Nullable;

/**
 * Adapters of one method, each trained once and kept in files. Promises about a trained adapter begin with one of these; that it is
 * the trained one, bit for bit, is a promise of its own.
 */
final class TrainedAdapters {

    private final Function<CausalLM, Adapter> attach;
    private final Map<String, Path> saved = new HashMap<>();
    private @Nullable Path directory;

    TrainedAdapters(Function<CausalLM, Adapter> attach) {
        this.attach = attach;
    }

    void keepIn(Path parent) {
        this.directory = parent;
    }

    /** The directory of the adapter of a model; what it holds does not depend on who asks first. */
    Path of(String model, LoadOptions options) {
        return saved.computeIfAbsent(model + " in " + options, key -> train(model, options));
    }

    private Path train(String name, LoadOptions options) {
        Path target = Objects.requireNonNull(directory).resolve("adapter-" + saved.size());
        Torch.seed(5);
        try (TensorScope scope = TensorScope.open();
                CausalLM model = TinyModels.load(name, options);
                Adapter adapter = attach.apply(model)) {
            AdapterTrial.train(model, adapter);
            adapter.save(target);
        }
        return target;
    }
}
