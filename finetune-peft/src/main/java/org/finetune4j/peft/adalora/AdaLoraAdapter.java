package org.finetune4j.peft.adalora;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdapterConstruction;
import org.finetune4j.peft.AdapterFiles;
import org.finetune4j.peft.AdapterPart;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.LinearAdapter;
import org.finetune4j.strategy.TrainingHooks;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * AdaLoRA on a model. A training saves all directions and the averages of their importance, so that it can go on exactly;
 * what is exported has the kept directions only, as PEFT's files do.
 */
public final class AdaLoraAdapter extends LinearAdapter {

    /** What a training checkpoint holds beside PEFT's files. */
    private static final String STATE_FILE = "adalora_state.safetensors";

    private final AdaLoraConfig config;
    private final List<AdaLoraLayer> layers;
    private final boolean finished;
    private RankAllocator allocator;
    private AdaLoraConfig running;

    private AdaLoraAdapter(
            CausalLM model,
            AdaLoraConfig config,
            Map<String, Linear> targets,
            List<AdaLoraLayer> layers,
            List<? extends AdapterPart> parts) {
        super(model, AdaLoraConfig.PEFT_TYPE, config.modules(), config::toJson, targets, parts);
        this.config = config;
        this.layers = layers;
        this.finished = !config.rankPattern().isEmpty();
        this.running = config;
        this.allocator = new RankAllocator(config, layers);
    }

    /** As {@link #create}, and the model computes with it. */
    static AdaLoraAdapter attach(CausalLM model, AdaLoraConfig config, boolean trainable) {
        return enabled(create(model, config, trainable));
    }

    static AdaLoraAdapter create(CausalLM model, AdaLoraConfig config, boolean trainable) {
        Map<String, Linear> targets = targets(model, AdaLoraConfig.PEFT_TYPE, config.modules());
        try (AdapterConstruction construction = AdapterConstruction.on(model)) {
            List<AdaLoraLayer> layers = new ArrayList<>();
            targets.forEach((path, linear) -> layers.add(new AdaLoraLayer(model, config, path, linear, trainable)));
            List<AdapterPart> parts = new ArrayList<>(layers);
            parts.addAll(config.modules().savedModules(model, targets.keySet(), trainable));
            return construction.complete(new AdaLoraAdapter(model, config, targets, layers, parts));
        }
    }

    @Override
    public TrainingHooks trainingHooks() {
        return new TrainingHooks() {
            @Override
            public void beforeTraining(long totalSteps) {
                if (!finished) {
                    allocator.close();
                    running = config.forRunOf(totalSteps);
                    allocator = new RankAllocator(running, layers);
                }
            }

            @Override
            public double penalty(boolean addGradients) {
                return OrthogonalPenalty.of(layers, config.orthogonalWeight(), addGradients);
            }

            @Override
            public boolean readsGradients() {
                return true;
            }

            @Override
            public void afterUpdate(long step) {
                if (!finished) {
                    allocator.afterUpdate(step);
                }
            }
        };
    }

    /** {@return which directions of each layer are kept, by path; empty before the first choice} */
    public Map<String, List<Boolean>> kept() {
        return finished ? config.rankPattern() : allocator.kept();
    }

    /** With the number of steps of the run, where the settings did not say it. */
    @Override
    protected Map<String, @Nullable Object> configuration() {
        Map<String, @Nullable Object> json = super.configuration();
        json.putAll(running.toJson());
        return json;
    }

    @Override
    protected void write(Path directory) {
        super.write(directory);
        try (TensorScope scope = TensorScope.open()) {
            Map<String, Tensor> state = allocator.state();
            if (!state.isEmpty()) {
                List<Entry> entries = new ArrayList<>();
                state.forEach(
                        (name, tensor) -> entries.add(new Entry(name, tensor.dtype(), tensor.shape(), tensor::detach)));
                SafetensorsWriter.write(directory.resolve(STATE_FILE), entries, SafetensorsWriter.PYTORCH_METADATA);
            }
        }
    }

    @Override
    protected void writeForOthers(Path directory) {
        Map<String, List<Boolean>> kept = allocator.kept();
        if (finished || kept.isEmpty()) {
            super.write(directory);
            return;
        }
        try (TensorScope scope = TensorScope.open()) {
            Map<String, Parameter> entries = new LinkedHashMap<>(entriesToWrite());
            layers.forEach(layer -> entries.putAll(layer.cut(kept.getOrDefault(layer.path(), List.of()))));
            AdapterWeights.write(directory, entries);
            Map<String, @Nullable Object> json = configuration();
            json.putAll(running.withRankPattern(kept).toJson());
            writeConfiguration(directory, complete(json));
        }
    }

    @Override
    protected void load(AdapterFiles files) {
        super.load(files);
        Path file = files.directory().resolve(STATE_FILE);
        if (!Files.exists(file)) {
            return;
        }
        try (SafetensorsFile stored = SafetensorsFile.open(file);
                TensorScope scope = TensorScope.open()) {
            Map<String, Tensor> state = new LinkedHashMap<>();
            stored.names().forEach(name -> state.put(name, stored.tensor(name).to(model().device())));
            allocator.restore(state);
        }
    }

    @Override
    public void close() {
        super.close();
        allocator.close();
    }
}
