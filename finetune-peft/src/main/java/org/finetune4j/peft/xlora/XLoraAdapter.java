package org.finetune4j.peft.xlora;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LowRankUpdate;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.AdapterConstruction;
import org.finetune4j.peft.AdapterFiles;
import org.finetune4j.peft.AdapterPart;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.lora.LoraAdapter;
import org.jspecify.annotations.Nullable;

/**
 * X-LoRA on a model: the classifier, and the adapters that it mixes. A stored one has the classifier in its own file and every adapter
 * in a folder of its number, in the form of PEFT.
 */
public final class XLoraAdapter extends PeftAdapter {

    private final XLoraConfig config;
    private final XLoraClassifier classifier;
    private final List<LoraAdapter> experts;

    private XLoraAdapter(
            CausalLM model,
            XLoraConfig config,
            XLoraClassifier classifier,
            List<LoraAdapter> experts,
            List<AdapterPart> parts) {
        super(model, parts);
        this.config = config;
        this.classifier = classifier;
        this.experts = experts;
    }

    /** Reads the adapters, and puts a new classifier on the model. */
    static XLoraAdapter attach(CausalLM model, XLoraConfig config, boolean trainable) {
        requireHiddenSize(model, config);
        List<LoraAdapter> experts = new ArrayList<>();
        try (AdapterConstruction construction = AdapterConstruction.on(model)) {
            config.adapters()
                    .values()
                    .forEach(directory ->
                            experts.add(LoraAdapter.beside(model, directory, trainable && config.trainableAdapters())));
            List<XLoraLayer> layers = layers(model, config, experts);
            XLoraClassifier classifier = new XLoraClassifier(model, config, layers.size(), trainable);
            List<AdapterPart> parts = new ArrayList<>(List.of(classifier));
            parts.addAll(layers);
            return construction.complete(
                    enabled(new XLoraAdapter(model, config, classifier, List.copyOf(experts), parts)));
        } catch (RuntimeException e) {
            experts.forEach(LoraAdapter::close);
            throw e;
        }
    }

    private static void requireHiddenSize(CausalLM model, XLoraConfig config) {
        long hidden = XLoraClassifier.hiddenSize(model);
        Integer wanted = config.hiddenSize();
        if (wanted != null && wanted != hidden) {
            throw new UserErrorException("'hidden_size' is " + wanted + ", this model has " + hidden);
        }
        if (!model.network().isCausal()) {
            throw new UserErrorException(
                    model.config().architecture() + " is no causal model: xlora is not implemented for it");
        }
    }

    /** The adapted layers in the model's order, which the classifier's outputs follow. */
    private static List<XLoraLayer> layers(CausalLM model, XLoraConfig config, List<LoraAdapter> experts) {
        List<String> names = List.copyOf(config.adapters().keySet());
        Map<String, List<XLoraLayer.Expert>> byPath = new LinkedHashMap<>();
        for (int number = 0; number < experts.size(); number++) {
            double dropout = experts.get(number).config().loraDropout();
            for (AdaptedLinear layer : experts.get(number).layersForRows(names.get(number))) {
                LowRankUpdate update = update(names.get(number), model, layer);
                byPath.computeIfAbsent(layer.path(), path -> new ArrayList<>())
                        .add(new XLoraLayer.Expert(number, update, dropout));
            }
        }
        List<XLoraLayer> layers = new ArrayList<>();
        model.network().namedModules().forEach((path, module) -> {
            List<XLoraLayer.Expert> own = byPath.get(path);
            if (own != null && module instanceof Linear linear) {
                layers.add(new XLoraLayer(path, linear, config.scalings().layerwise() ? layers.size() : 0, own));
            }
        });
        return layers;
    }

    private static boolean isRouter(CausalLM model, Linear linear) {
        return model.network().namedModules().values().stream()
                .anyMatch(module -> module instanceof MixtureOfExperts mixture && mixture.router() == linear);
    }

    private static LowRankUpdate update(String name, CausalLM model, AdaptedLinear layer) {
        String path = layer.path();
        if (layer.base() == model.network().outputLayer()
                || ("." + path).contains(".experts.")
                || isRouter(model, layer.base())) {
            throw new UserErrorException("adapter '" + name + "' adapts " + path
                    + ", which sees tokens by themselves and not sequences: xlora cannot mix it");
        }
        LowRankUpdate update = layer.lowRank(Dropout.OFF);
        if (update == null) {
            throw new UserErrorException("adapter '" + name + "' has use_dora or lora_bias, which xlora cannot mix: "
                    + path + " does more than add a low-rank product");
        }
        return update;
    }

    /** {@return the settings of this adapter} */
    public XLoraConfig config() {
        return config;
    }

    /** The classifier's, and those of adapters that train, after the number of their folder and a slash. */
    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>(super.parametersByKey());
        for (int number = 0; config.trainableAdapters() && number < experts.size(); number++) {
            String folder = number + "/";
            experts.get(number).parametersByKey().forEach((key, parameter) -> parameters.put(folder + key, parameter));
        }
        return parameters;
    }

    @Override
    protected Map<String, @Nullable Object> configuration() {
        return config.toJson(XLoraClassifier.hiddenSize(model()));
    }

    @Override
    protected void write(Path directory) {
        AdapterWeights.write(directory, classifier.parametersByKey());
        for (int number = 0; number < experts.size(); number++) {
            experts.get(number).save(folder(directory, number));
        }
        writeConfiguration(directory, complete(configuration()));
    }

    private static Path folder(Path directory, int number) {
        return directory.resolve(String.valueOf(number));
    }

    @Override
    protected void readWeights(AdapterFiles files, String madeFor) {
        SafetensorsFile file = files.requiredWeights();
        for (String key : classifier.parametersByKey().keySet()) {
            if (!file.contains(key)) {
                throw new UserErrorException(files.weightsPath() + ": no tensor '" + key
                        + "': PEFT's save_pretrained leaves out layers of the classifier whose number is that of an adapter;"
                        + " write what state_dict() has of internal_xlora_classifier");
            }
        }
        AdapterWeights.read(files, classifier.parametersByKey(), model().network(), madeFor);
        if (config.trainableAdapters()) {
            for (int number = 0; number < experts.size(); number++) {
                experts.get(number).restore(folder(files.directory(), number));
            }
        }
    }

    @Override
    public void close() {
        super.close();
        experts.forEach(LoraAdapter::close);
    }
}
