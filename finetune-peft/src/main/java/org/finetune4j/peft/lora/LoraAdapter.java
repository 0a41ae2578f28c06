package org.finetune4j.peft.lora;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelWriter;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.peft.AdapterConstruction;
import org.finetune4j.peft.AdapterFiles;
import org.finetune4j.peft.AdapterPart;
import org.finetune4j.peft.AdapterReader;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.BiasCopies;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.peft.TrainedCopy;
import org.finetune4j.strategy.TrainingHooks;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** LoRA on a model: the adapted layers and tables, and the copies of biases and modules that train beside them. */
public final class LoraAdapter extends PeftAdapter {

    private static final List<Class<? extends Module>> TARGETS = List.of(Linear.class, Embedding.class);
    private static final List<Class<? extends Module>> LINEAR = List.of(Linear.class);

    /** Where a LoftQ adapter keeps its base, in its own directory. */
    private static final String QUANTISED_BASE = "quantized_base";

    private final LoraConfig config;
    private final List<String> paths;
    private final List<LoraLayer> layers;

    private LoraAdapter(CausalLM model, LoraConfig config, List<String> paths, List<AdapterPart> parts) {
        super(model, parts);
        this.config = config;
        this.paths = paths;
        this.layers = parts.stream()
                .filter(LoraLayer.class::isInstance)
                .map(LoraLayer.class::cast)
                .toList();
    }

    List<LoraLayer> layers() {
        return layers;
    }

    @Override
    protected boolean changesBase() {
        return config.initialization().takesFromBase() || config.initialization() == LoraInitialization.LOFTQ;
    }

    /** Adapts the layers and tables that {@code config} targets. */
    static LoraAdapter attach(CausalLM model, LoraConfig config, boolean trainable, boolean stored) {
        return enabled(create(model, config, trainable, stored));
    }

    /**
     * As {@link #attach}, but the model does not compute with the adapter yet.
     *
     * @param stored whether the layers' values come from a file, so that none are to be drawn
     */
    static LoraAdapter create(CausalLM model, LoraConfig config, boolean trainable, boolean stored) {
        Map<String, Module> modules = config.hasNoModules()
                ? Map.of()
                : config.modules().select(model, LoraConfigJson.PEFT_TYPE, kinds(config));
        refuseTiedTargets(model, config, modules);
        try (AdapterConstruction construction = AdapterConstruction.on(model)) {
            List<AdapterPart> parts = new ArrayList<>();
            modules.forEach((path, module) -> {
                if (module instanceof Embedding table) {
                    parts.add(new LoraEmbedding(model, config, path, table, trainable));
                } else if (module instanceof Linear linear) {
                    parts.add(
                            config.useDora()
                                    ? new DoraLayer(model, config, path, linear, trainable, stored)
                                    : new LoraLayer(model, config, path, linear, trainable, stored));
                }
            });
            parts.addAll(ExpertFactors.of(model, config, trainable, stored));
            boolean tie = config.ensureWeightTying();
            List<TrainedCopy> copies = config.modules().savedModules(model, modules.keySet(), tie, trainable);
            Set<String> saved = new HashSet<>();
            copies.forEach(copy -> saved.add(copy.module()));
            parts.addAll(BiasCopies.of(
                    model,
                    modules.keySet(),
                    saved,
                    config.bias() != LoraConfig.Bias.NONE,
                    config.bias() == LoraConfig.Bias.ALL,
                    trainable));
            parts.addAll(copies);
            saved.addAll(modules.keySet());
            parts.addAll(config.trainableTokens().parts(model, saved, tie, trainable));
            return construction.complete(new LoraAdapter(model, config, List.copyOf(modules.keySet()), parts));
        }
    }

    /**
     * Reads a stored LoRA that others work with: it is not enabled, and nothing of the model is changed.
     *
     * @param model it is for
     * @param directory with its files
     * @param trainable whether its matrices train
     * @return the adapter, which the caller closes
     * @throws UserErrorException when it cannot be read, is no LoRA, or does not fit the model
     */
    public static LoraAdapter beside(CausalLM model, Path directory, boolean trainable) {
        if (!AdapterConfigFile.isOfType(directory, LoraConfigJson.PEFT_TYPE)) {
            throw new UserErrorException(directory + ": no LoRA adapter: expected " + AdapterConfigFile.NAME
                    + " with the peft_type " + LoraConfigJson.PEFT_TYPE);
        }
        try (AdapterFiles files = AdapterFiles.open(directory)) {
            return AdapterReader.aside(
                    model,
                    files,
                    settings -> create(model, LoraConfigJson.fromSettings(settings, true), trainable, true));
        }
    }

    /** PEFT trains two adapters on one memory there, which drift apart as soon as an optimizer has states. */
    private static void refuseTiedTargets(CausalLM model, LoraConfig config, Map<String, Module> modules) {
        boolean tables = modules.containsValue(model.network().inputEmbedding())
                || modules.containsValue(model.network().outputLayer());
        if (config.ensureWeightTying() && model.network().isTied() && tables) {
            throw new UserErrorException("ensure_weight_tying: adapters of tied layers in target_modules are not"
                    + " implemented: name the embedding in modules_to_save, or tokens in trainable_token_indices");
        }
    }

    /** Adapts with a start and with ranks that training data give, see {@link Eva}. */
    static LoraAdapter attachFromData(CausalLM model, LoraConfig config, Iterable<Batch> batches) {
        Map<String, Module> modules = config.modules().select(model, LoraConfigJson.PEFT_TYPE, kinds(config));
        Map<String, Linear> linear = new LinkedHashMap<>();
        modules.forEach((path, module) -> {
            if (!(module instanceof Linear layer)) {
                throw new UserErrorException("init_lora_weights eva: " + path
                        + " is an embedding, which is given no vectors:" + " leave it out of target_modules");
            }
            linear.put(path, layer);
        });
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Map<String, Tensor> starts = Eva.starts(model, config, linear, batches);
            LoraAdapter adapter = attach(model, Eva.redistributed(config, linear, starts), true, false);
            adapter.layers.forEach(layer ->
                    layer.loraA().value().detach().copyInPlace(Objects.requireNonNull(starts.get(layer.path()))));
            return adapter;
        }
    }

    /** Tables are targets only when somebody asks for them by name. */
    private static List<Class<? extends Module>> kinds(LoraConfig config) {
        boolean all = config.modules().targets() instanceof TargetModules.AllLinear;
        return all ? LINEAR : TARGETS;
    }

    /** {@return the settings of this adapter} */
    public LoraConfig config() {
        return config;
    }

    @Override
    public TrainingHooks trainingHooks() {
        return new TrainingHooks() {
            @Override
            public double learningRateFactor(Parameter parameter) {
                String name = parameter.name();
                boolean ofB = name.contains(".lora_B.") || name.endsWith(".lora_magnitude_vector");
                return ofB ? config.loraPlusRatio() : 1;
            }

            @Override
            public boolean readsGradients() {
                return config.frozenA();
            }

            @Override
            public void shapeGradients() {
                if (config.frozenA()) {
                    layers.forEach(LoraLayer::shapeGradient);
                }
            }
        };
    }

    @Override
    protected Map<String, @Nullable Object> configuration() {
        return LoraConfigJson.toJson(config, model(), paths, conv1d());
    }

    private boolean conv1d() {
        return layers.stream().anyMatch(layer -> layer.base().layout() == Linear.Layout.IN_OUT);
    }

    /**
     * Writes the adapter for use. One that took a part of the base at its start is written as the plain LoRA of twice the
     * rank that holds what was learned, as PEFT's conversion does: it fits the untouched base, in any program.
     */
    @Override
    protected void writeForOthers(Path directory) {
        if (config.initialization() == LoraInitialization.LOFTQ) {
            exportWithBase(directory);
            return;
        }
        if (!config.initialization().takesFromBase() || config.useDora()) {
            write(directory);
            return;
        }
        try (TensorScope scope = TensorScope.open()) {
            Map<String, Parameter> entries = new LinkedHashMap<>(entriesToWrite());
            layers.forEach(layer -> DoubledLora.of(layer)
                    .forEach((name, value) -> entries.put(AdapterWeights.PREFIX + layer.path() + "." + name, value)));
            AdapterWeights.write(directory, entries);
            writeConfiguration(directory, complete(LoraConfigJson.toJson(config.doubled(), model(), paths, conv1d())));
        }
    }

    /** What LoftQ learned makes up for one way to quantise the base: the adapter is of use with that base alone. */
    private void exportWithBase(Path directory) {
        Path base = directory.resolve(QUANTISED_BASE);
        ModelWriter.of(model()).write(base);
        AdapterWeights.write(directory, entriesToWrite());
        Map<String, @Nullable Object> configuration = complete(configuration());
        configuration.put("base_model_name_or_path", base.toAbsolutePath().toString());
        writeConfiguration(directory, configuration);
    }
}
