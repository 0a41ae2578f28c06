package org.finetune4j.peft.adapter;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.DecoderLayer.Block;
import org.finetune4j.nn.Module;
import org.finetune4j.peft.AdapterFiles;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.PeftAdapter;
import org.jspecify.annotations.Nullable;

/** Bottleneck adapters on a model, in the directory layout of AdapterHub's library. */
public final class BottleneckAdapter extends PeftAdapter {

    /** The file of weights. */
    static final String WEIGHTS = "adapter.safetensors";

    private static final String PICKLED = "pytorch_adapter.bin";

    private final BottleneckConfig config;
    private final String name;
    private final Map<String, @Nullable Object> loaded = new LinkedHashMap<>();

    private BottleneckAdapter(CausalLM model, BottleneckConfig config, String name, List<BottleneckLayer> layers) {
        super(model, layers);
        this.config = config;
        this.name = name;
    }

    /** Puts adapters after the blocks that the settings name. Autograd must be off. */
    static BottleneckAdapter attach(CausalLM model, BottleneckConfig config, String name, boolean trainable) {
        if (!model.network().isCausal()) {
            throw new UserErrorException("bottleneck adapters are made for decoders, "
                    + model.config().architecture() + " is none");
        }
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
                if (config.attention()) {
                    String key = path + ".attention_adapters.adapters." + name;
                    parts.add(new BottleneckLayer(model, layer, Block.ATTENTION, key, config, trainable));
                }
                if (config.output()) {
                    String key = path + ".output_adapters.adapters." + name;
                    parts.add(new BottleneckLayer(model, layer, Block.FEED_FORWARD, key, config, trainable));
                }
            }
        }
        if (parts.isEmpty()) {
            throw new UserErrorException("leave_out leaves no layer to put an adapter into");
        }
        return enabled(new BottleneckAdapter(model, config, name, parts));
    }

    /** The width of the residual stream. */
    static long hiddenSize(CausalLM model) {
        return model.config().has("n_embd")
                ? model.config().positive("n_embd")
                : model.config().positive("hidden_size");
    }

    @Override
    protected Map<String, @Nullable Object> configuration() {
        return BottleneckConfigJson.toJson(config, name, model(), loaded);
    }

    @Override
    public void save(Path directory) {
        AdapterWeights.writeFile(directory.resolve(WEIGHTS), parametersByKey());
        writeConfiguration(directory, configuration());
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
        AdapterWeights.read(
                files,
                parametersByKey(),
                model().network(),
                settings.text("model_name").orElse("another base model"));
        loaded.clear();
        loaded.putAll(settings.asMap());
    }
}
