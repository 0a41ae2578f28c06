package org.finetune4j.peft.lora;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.DefaultTargets;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.peft.TrainedCopy;
import org.finetune4j.peft.lora.LoraConfig.Bias;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;

/** LoRA on a model: the extended layers, and the copies of biases and modules that train beside them. */
public final class LoraAdapter implements Adapter {

    private final CausalLM model;
    private final LoraConfig config;
    private final Map<String, LoraLayer> layers;
    private final List<TrainedCopy> copies;
    private final Map<Linear, Parameter> unmergedWeights = new LinkedHashMap<>();
    private boolean merged;

    private LoraAdapter(CausalLM model, LoraConfig config, Map<String, LoraLayer> layers, List<TrainedCopy> copies) {
        this.model = model;
        this.config = config;
        this.layers = layers;
        this.copies = copies;
    }

    /** Extends the layers that {@code config} targets, with new matrices. */
    static LoraAdapter attach(CausalLM model, LoraConfig config, boolean trainable) {
        TargetModules targets = config.targetModules() == null ? DefaultTargets.of(model) : config.targetModules();
        Map<String, Linear> linears = targets.linearLayers(model);
        linears.keySet().removeIf(path -> !config.includes(path));
        linears.keySet().removeIf(path -> isSaved(config, path));
        if (linears.isEmpty()) {
            throw new UserErrorException("target_modules: no module is left after exclude_modules, layers_to_transform"
                    + " and modules_to_save");
        }
        Map<String, LoraLayer> layers = new LinkedHashMap<>();
        try (TensorScope scope = TensorScope.open()) {
            linears.forEach((path, linear) -> layers.put(path, extend(model, config, path, linear, trainable)));
            return new LoraAdapter(model, config, layers, copies(model, config, layers, trainable));
        }
    }

    private static LoraLayer extend(CausalLM model, LoraConfig config, String path, Linear linear, boolean trainable) {
        int rank = config.rankOf(path);
        LoraInitialization initialization = config.initialization();
        Parameter loraA =
                new Parameter(path + ".lora_A.weight", initialization.loraA(model.device(), rank, linear.inFeatures()));
        Parameter loraB = new Parameter(
                path + ".lora_B.weight", initialization.loraB(model.device(), linear.outFeatures(), rank));
        if (trainable) {
            loraA.train(DType.FLOAT32);
            loraB.train(DType.FLOAT32);
        }
        LoraLayer layer = new LoraLayer(linear, loraA, loraB, config.scaleOf(path), config.loraDropout());
        linear.extend(layer);
        return layer;
    }

    private static List<TrainedCopy> copies(
            CausalLM model, LoraConfig config, Map<String, LoraLayer> layers, boolean trainable) {
        List<TrainedCopy> copies = new ArrayList<>();
        Map<String, Module> modules = model.network().namedModules();
        for (String name : config.modulesToSave()) {
            if (modules.keySet().stream().noneMatch(path -> TargetModules.endsWith(path, name))) {
                throw new UserErrorException("modules_to_save: '" + name + "' matches no module of this model"
                        + Suggestions.didYouMean(name, modules.keySet()));
            }
        }
        modules.forEach((path, module) -> {
            boolean saved = isSaved(config, path);
            boolean targeted = layers.containsKey(path);
            for (String name : List.copyOf(module.ownParameters().keySet())) {
                boolean biasTrains = name.equals("bias")
                        && (config.bias() == Bias.ALL || config.bias() == Bias.LORA_ONLY && targeted);
                if (saved || biasTrains) {
                    String inFile = targeted ? path + ".base_layer." + name : path + "." + name;
                    copies.add(TrainedCopy.of(
                            AdapterWeights.PREFIX + inFile, path, module, name, DType.FLOAT32, trainable));
                }
            }
        });
        return copies;
    }

    private static boolean isSaved(LoraConfig config, String path) {
        return config.modulesToSave().stream().anyMatch(name -> TargetModules.endsWith(path, name));
    }

    public LoraConfig config() {
        return config;
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        layers.forEach((path, layer) -> {
            parameters.put(AdapterWeights.PREFIX + path + ".lora_A.weight", layer.loraA());
            parameters.put(AdapterWeights.PREFIX + path + ".lora_B.weight", layer.loraB());
        });
        copies.forEach(copy -> parameters.put(copy.key(), copy.parameter()));
        return parameters;
    }

    @Override
    public Collection<Parameter> trainableParameters() {
        return parametersByKey().values().stream()
                .filter(Parameter::isTrainable)
                .toList();
    }

    @Override
    public void save(Path directory) {
        boolean conv1d = layers.values().stream().anyMatch(layer -> layer.base().layout() == Linear.Layout.IN_OUT);
        AdapterWeights.write(directory, parametersByKey());
        AdapterConfigFile.write(directory, LoraConfigJson.toJson(config, layers.keySet(), model.nameOrPath(), conv1d));
    }

    @Override
    public void restore(Path directory) {
        String madeFor = AdapterConfigFile.read(directory)
                .text("base_model_name_or_path")
                .orElse("another base model");
        AdapterWeights.read(directory, parametersByKey(), madeFor);
    }

    @Override
    public void merge() {
        if (merged) {
            return;
        }
        layers.forEach((path, layer) -> {
            Linear linear = layer.base();
            unmergedWeights.put(linear, linear.weight());
            linear.replaceParameter("weight", new Parameter(linear.weight().name(), layer.mergedWeight()));
            linear.removeExtension();
        });
        merged = true;
    }

    @Override
    public void unmerge() {
        if (!merged) {
            return;
        }
        layers.values().forEach(layer -> {
            Linear linear = layer.base();
            linear.weight().value().close();
            linear.replaceParameter("weight", unmergedWeights.remove(linear));
            linear.extend(layer);
        });
        merged = false;
    }

    @Override
    public void close() {
        unmerge();
        layers.values().forEach(layer -> {
            layer.base().removeExtension();
            layer.free();
        });
        copies.forEach(TrainedCopy::close);
        layers.clear();
        copies.clear();
    }
}
