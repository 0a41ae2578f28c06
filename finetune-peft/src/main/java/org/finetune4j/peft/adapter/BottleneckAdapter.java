package org.finetune4j.peft.adapter;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.DecoderLayer.Block;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.AdapterFiles;
import org.finetune4j.peft.AdapterPart;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.SavedModules;
import org.finetune4j.peft.TrainedCopy;
import org.jspecify.annotations.Nullable;

/**
 * Bottleneck adapters on a model, in the directory layout of AdapterHub's library. A classifier's head trains with them, and lies in
 * files of its own.
 */
public final class BottleneckAdapter extends PeftAdapter {

    /** The file of weights. */
    static final String WEIGHTS = "adapter.safetensors";

    private static final String PICKLED = "pytorch_adapter.bin";
    private static final String HEAD_WEIGHTS = "model_head.safetensors";
    private static final String HEAD_CONFIGURATION = "head_config.json";

    private final BottleneckConfig config;
    private final String name;
    private final List<BottleneckLayer> layers;
    private final List<TrainedCopy> head;
    private final Map<String, @Nullable Object> loaded = new LinkedHashMap<>();

    private BottleneckAdapter(
            CausalLM model,
            BottleneckConfig config,
            String name,
            List<BottleneckLayer> layers,
            List<TrainedCopy> head) {
        super(model, Stream.concat(layers.stream(), head.stream()).toList());
        this.config = config;
        this.name = name;
        this.layers = layers;
        this.head = head;
    }

    /** Puts adapters after the blocks that the settings name. Autograd must be off. */
    static BottleneckAdapter attach(CausalLM model, BottleneckConfig config, String name, boolean trainable) {
        List<? extends DecoderLayer> layers = model.network().layers();
        for (int left : config.leaveOut()) {
            if (left < 0 || left >= layers.size()) {
                throw new UserErrorException(
                        "leave_out: there is no layer " + left + ", the model has " + layers.size());
            }
        }
        List<BottleneckLayer> parts = new ArrayList<>();
        Map<Module, String> paths = new LinkedHashMap<>();
        model.network().namedModules().forEach((path, module) -> paths.put(module, path));
        for (int i = 0; i < layers.size(); i++) {
            if (!config.leaveOut().contains(i)) {
                DecoderLayer layer = layers.get(i);
                String path = paths.get(layer);
                boolean causal = model.network().isCausal();
                if (config.attention()) {
                    String at = path + (causal ? ".attention_adapters" : ".attention.output") + ".adapters." + name;
                    parts.add(new BottleneckLayer(model, layer, Block.ATTENTION, at, config, trainable));
                }
                if (config.output()) {
                    String at = path + (causal ? ".output_adapters" : ".output") + ".adapters." + name;
                    parts.add(new BottleneckLayer(model, layer, Block.FEED_FORWARD, at, config, trainable));
                }
            }
        }
        if (parts.isEmpty()) {
            throw new UserErrorException("leave_out leaves no layer to put an adapter into");
        }
        List<TrainedCopy> head = SavedModules.ofHead(model, "", trainable);
        return enabled(new BottleneckAdapter(model, config, name, parts, head));
    }

    /** The width of the residual stream. */
    static long hiddenSize(CausalLM model) {
        return model.config().positive(Architecture.of(model.config()).hiddenSizeKey());
    }

    @Override
    protected Map<String, @Nullable Object> configuration() {
        return BottleneckConfigJson.toJson(config, name, model(), loaded);
    }

    @Override
    protected void write(Path directory) {
        AdapterWeights.writeFile(directory.resolve(WEIGHTS), byKey(layers));
        writeConfiguration(directory, configuration());
        if (!head.isEmpty()) {
            AdapterWeights.writeFile(directory.resolve(HEAD_WEIGHTS), byKey(head));
            String configuration = Json.writeAsPython(BottleneckConfigJson.ofHead(model()));
            AtomicFiles.writeString(directory.resolve(HEAD_CONFIGURATION), configuration);
        }
    }

    private static Map<String, Parameter> byKey(List<? extends AdapterPart> parts) {
        Map<String, Parameter> all = new LinkedHashMap<>();
        parts.forEach(part -> all.putAll(part.parametersByKey()));
        return all;
    }

    @Override
    protected AdapterFiles open(Path directory) {
        return AdapterFiles.open(directory, WEIGHTS);
    }

    @Override
    protected void load(AdapterFiles files) {
        Path directory = files.directory();
        if (!Files.exists(files.weightsPath()) && Files.exists(directory.resolve(PICKLED))) {
            throw new UserErrorException(directory + ": the weights are pickled (" + PICKLED + "), which can run code"
                    + " when it is read: save the adapter again with use_safetensors=True");
        }
        Settings settings = files.settings();
        String madeFor = settings.text("model_name").orElse("another base model");
        AdapterWeights.read(files, byKey(layers), model().network(), madeFor);
        // One that was made for the text of a model, or saved without its head, leaves the head as it is.
        if (!head.isEmpty() && Files.exists(directory.resolve(HEAD_WEIGHTS))) {
            try (AdapterFiles ofHead = AdapterFiles.open(directory, HEAD_WEIGHTS)) {
                AdapterWeights.read(ofHead, byKey(head), model().network(), madeFor);
            }
        }
        loaded.clear();
        loaded.putAll(settings.asMap());
    }
}
